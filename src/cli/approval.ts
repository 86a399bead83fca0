import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';

/** A name or a reason is a line of the meta-log, whose leaves stay small. */
const textMax = 300;

/** `--approver` twice: what drops or erases evidence needs two people. */
export function withApprovers(command: Command): Command {
  const collect = (value: string, before: readonly string[]) => [...before, shortText(value)];
  return command.option(
    '--approver <name>',
    'who approves it: two different people, one each time',
    collect,
    [],
  );
}

export function shortText(value: string): string {
  const text = value.trim();
  if (text === '' || text.length > textMax) {
    throw new InvalidArgumentError(`It must hold 1 to ${textMax} characters.`);
  }
  return text;
}

/** The account that runs the command: it stands in the meta-log beside those who approved. */
export function whoRuns(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's account need not have a name.
    return `uid ${process.getuid?.()}`;
  }
}
