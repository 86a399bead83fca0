/** The CLI in a process whose kafkajs has no LZ4, as if a batch came in a compression of tomorrow. */
import kafkajs from 'kafkajs';
import '../../src/intake/kafka.ts';
import { runCli } from '../../src/cli/cli.ts';

const { CompressionCodecs, CompressionTypes } = kafkajs;
// Declared without the message that it is thrown with.
const NotImplemented = kafkajs.KafkaJSNotImplemented as unknown as new (message: string) => Error;
CompressionCodecs[CompressionTypes.LZ4] = () => {
  throw new NotImplemented('LZ4 compression not implemented');
};
process.exitCode = await runCli(process.argv.slice(2));
