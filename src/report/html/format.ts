import type { Cell, Column } from '../section.ts';

/** 1234567 as `1 234 567`: thin spaces read alike in every country. Above 9999 only, as years read better without. */
export function countText(value: number): string {
  const text = String(value);
  return Math.abs(value) < 10_000 ? text : text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

export function shareText(share: number): string {
  return share === 0 ? '0 %' : `${(share * 100).toFixed(share < 0.01 ? 2 : 1)} %`;
}

/** `2026-07-01T00:00:00Z` as `2026-07-01 00:00`: the heading says UTC. */
function timeText(iso: string): string {
  return iso === '' ? '' : iso.slice(0, 16).replace('T', ' ');
}

/**
 * Characters that steer the reader's eye (bidirectional overrides, zero-width, controls) are shown by code:
 * escaping alone keeps a page safe, not honest.
 */
export function plain(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function cellWords(cell: Cell | undefined, kind: Column['kind']): string {
  if (cell === undefined || cell === '') return '';
  if (typeof cell === 'object') return plain(cell.join(', '));
  if (kind === 'count' && typeof cell === 'number') return countText(cell);
  if (kind === 'share') return shareText(Number(cell));
  if (kind === 'time') return timeText(String(cell));
  if (kind === 'flag') return cell === true ? 'yes' : '';
  return plain(String(cell));
}

/** Inside double quotes a shell still expands these four. */
export function shellCommand(sql: string): string {
  return `keywitness query "${sql.replace(/[\\"$`]/g, '\\$&')}"`;
}
