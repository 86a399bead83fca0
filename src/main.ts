#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 JE_MALLOC_CONF=dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2 node
// Each embedded session holds a libuv thread (docs/store.md), and the pool's size is read before any code of ours runs.
import { runCli } from './cli/cli.ts';

process.exitCode = await runCli(process.argv.slice(2));
