import { Option } from 'commander';

/** `--data`, as every command that reads the store takes it. */
export function dataOption(): Option {
  return new Option('--data <dir>', 'data directory of the embedded store')
    .default('./.keywitness')
    .env('KEYWITNESS_DATA');
}
