import type { KnownBlock } from '@slack/web-api';
import { truncate } from './clean.ts';
import type { Story } from './story.ts';

/** Slack's limits: https://docs.slack.dev/reference/block-kit/blocks */
const headerMax = 150;
const fieldMax = 2000;
const sectionMax = 3000;
const blocksMax = 50;

const mark = { informational: '⚪', low: '🔵', medium: '🟡', high: '🟠', critical: '🔴' } as const;

export interface SlackContent {
  readonly text: string;
  readonly blocks: KnownBlock[];
}

/** Block Kit with the `text` fallback that notifications and screen readers use. */
export function slackBlocks(story: Story, mention: string): SlackContent {
  const call = mention === '' ? '' : `${mention} `;
  const fields = story.facts.map((f) => mrkdwn(`*${f.label}*\n${escapeText(f.text)}`, fieldMax));
  const signs = story.parts.map((p) => {
    const times = p.count > 1 ? ` (one of ${p.count})` : '';
    const title = p.title === '' ? '' : `*${escapeText(p.title)}*: `;
    return `• ${title}${escapeText(p.sentence)}${times}`;
  });
  const commands = story.commands.map(
    (c) => `${escapeText(c.why)}:\n\`\`\`${escapeText(c.command).replaceAll('`', "'")}\`\`\``,
  );
  const blocks: KnownBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: truncate(headline(story), headerMax), emoji: true } },
    ...(call === '' ? [] : [section(`${call}this needs a person now.`)]),
    // A section holds ten fields at most.
    { type: 'section', fields: fields.slice(0, 10) },
    ...chunks(['*What happened, and how unusual it is*', ...signs]).map(section),
    section(`*What to do*\n${escapeText(story.advice)}`),
    ...chunks(['*See the evidence*', ...commands]).map(section),
    { type: 'context', elements: [mrkdwn(escapeText(story.footer), fieldMax)] },
  ];
  return {
    text: truncate(`${call}${escapeText(story.oneLine)}`, sectionMax),
    blocks: blocks.slice(0, blocksMax),
  };
}

/** The short line posted into the thread when an alert got worse or is still open: an edit calls nobody. */
export function slackThreadLine(story: Story, mention: string): string {
  return truncate(`${mention === '' ? '' : `${mention} `}${escapeText(story.oneLine)}`, sectionMax);
}

function headline(story: Story): string {
  return `${mark[story.severity]} ${story.severity.toUpperCase()}: ${story.title}`;
}

/** Only these three are special; escaping them also makes `<!channel>` and links from a record plain text. */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function section(text: string): KnownBlock {
  return { type: 'section', text: mrkdwn(text, sectionMax) };
}

/** `verbatim`: Slack must not turn names from a record into links or channels. */
function mrkdwn(text: string, max: number) {
  return { type: 'mrkdwn' as const, text: truncate(text, max), verbatim: true };
}

/** Lines joined into as few texts as fit a section each. */
function chunks(lines: readonly string[]): string[] {
  const out: string[] = [];
  for (const line of lines) {
    const last = out.at(-1);
    if (last !== undefined && last.length + line.length < sectionMax)
      out[out.length - 1] = `${last}\n${line}`;
    else out.push(line);
  }
  return out;
}
