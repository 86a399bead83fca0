import { render } from 'preact-render-to-string';
import type { Story } from './story.ts';

const colour = {
  informational: '#5b6470',
  low: '#2f6f9f',
  medium: '#8a6100',
  high: '#b3460b',
  critical: '#b3122a',
} as const;

const font = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";
const mono = "ui-monospace, 'SFMono-Regular', Consolas, 'Liberation Mono', monospace";
const heading = { margin: '24px 0 8px', fontSize: '15px', color: '#1c2127' };
const cell = { padding: '3px 16px 3px 0', verticalAlign: 'top', fontSize: '14px' };

/** The HTML part of a mail: one column, inline styles, no image, no link, nothing loaded from elsewhere. */
export function mailHtml(story: Story): string {
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{story.subject}</title>
      </head>
      <body style={{ margin: 0, background: '#f3f4f6' }}>
        <div
          style={{ maxWidth: '680px', margin: '0 auto', padding: '16px', fontFamily: font, color: '#1c2127' }}
        >
          <div
            style={{
              background: '#ffffff',
              borderTop: `6px solid ${colour[story.severity]}`,
              padding: '20px 24px',
            }}
          >
            <Head story={story} />
            <Facts story={story} />
            <Parts story={story} />
            <h2 style={heading}>What to do</h2>
            <p style={{ margin: 0, fontSize: '14px', lineHeight: '20px' }}>{story.advice}</p>
            <Commands story={story} />
          </div>
          <p style={{ fontSize: '12px', color: '#5b6470' }}>{story.footer}</p>
        </div>
      </body>
    </html>
  );
  return `<!DOCTYPE html>\n${render(page)}\n`;
}

function Head({ story }: { story: Story }) {
  return (
    <div>
      <span style={{ fontSize: '12px', fontWeight: 'bold', color: colour[story.severity] }}>
        {story.change}
        {story.severity.toUpperCase()}
      </span>
      <h1 style={{ margin: '4px 0 16px', fontSize: '20px', lineHeight: '26px' }}>{story.title}</h1>
    </div>
  );
}

function Facts({ story }: { story: Story }) {
  return (
    <table cellPadding="0" cellSpacing="0" style={{ borderCollapse: 'collapse' }}>
      {story.facts.map((fact) => (
        <tr key={fact.label}>
          <th style={{ ...cell, textAlign: 'left', color: '#5b6470', fontWeight: 'normal' }}>{fact.label}</th>
          <td style={{ ...cell, overflowWrap: 'anywhere' }}>{fact.text}</td>
        </tr>
      ))}
    </table>
  );
}

function Parts({ story }: { story: Story }) {
  return (
    <div>
      <h2 style={heading}>What happened, and how unusual it is</h2>
      {story.parts.map((part) => (
        <div
          key={part.title}
          style={{
            borderLeft: `3px solid ${colour[part.level]}`,
            padding: '2px 0 2px 12px',
            margin: '0 0 10px',
          }}
        >
          {part.title !== '' && <div style={{ fontSize: '14px', fontWeight: 'bold' }}>{part.title}</div>}
          <div style={{ fontSize: '14px', lineHeight: '20px', overflowWrap: 'anywhere' }}>
            {part.sentence}
            {part.count > 1 ? ` (one of ${part.count})` : ''}
          </div>
        </div>
      ))}
    </div>
  );
}

function Commands({ story }: { story: Story }) {
  return (
    <div>
      <h2 style={heading}>See the evidence</h2>
      {story.commands.map((c) => (
        <div key={c.why} style={{ margin: '0 0 10px' }}>
          <div style={{ fontSize: '13px', color: '#5b6470' }}>{c.why}</div>
          <div
            style={{
              fontFamily: mono,
              fontSize: '12px',
              background: '#f3f4f6',
              padding: '8px',
              overflowWrap: 'anywhere',
            }}
          >
            {c.command}
          </div>
        </div>
      ))}
    </div>
  );
}
