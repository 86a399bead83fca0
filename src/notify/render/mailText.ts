import type { Story } from './story.ts';

/** The plain part of a mail: the same story, readable in a terminal. */
export function mailText(story: Story): string {
  const width = Math.max(...story.facts.map((f) => f.label.length));
  const lines = [
    `${story.change}${story.severity.toUpperCase()}: ${story.title}`,
    '',
    ...story.facts.map((f) => `${f.label.padEnd(width)}  ${f.text}`),
    '',
    'What happened, and how unusual it is',
    ...story.parts.map(
      (p) =>
        `- ${p.title === '' ? '' : `${p.title}: `}${p.sentence}${p.count > 1 ? ` (one of ${p.count})` : ''}`,
    ),
    '',
    'What to do',
    story.advice,
    '',
    'See the evidence',
    ...story.commands.flatMap((c) => [`${c.why}:`, `  ${c.command}`]),
    '',
    '-- ',
    story.footer,
  ];
  return `${lines.join('\n')}\n`;
}
