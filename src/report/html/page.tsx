import type { ComponentChildren, JSX } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { isoIn } from '../../core/quarter.ts';
import type { Review } from '../gather.ts';
import { figures } from '../sections/figures.ts';
import { statementsOf } from '../statements.ts';
import { AccessOverTime, DeniedShare, MostRead, RotationAge } from './charts.tsx';
import { countText, plain } from './format.ts';
import { Highlights } from './highlights.tsx';
import { style } from './style.ts';
import { Query, SectionView, Statements } from './table.tsx';

/** The whole review as one self-contained page: nothing is loaded from anywhere, nothing runs. */
export function reviewHtml(review: Review): string {
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>{`Access review ${plain(review.period.name)}`}</title>
        <style dangerouslySetInnerHTML={{ __html: style }} />
      </head>
      <body>
        <Cover review={review} />
        <main>
          <Summary review={review} />
          {review.sections.map((section, i) => (
            <SectionView section={section} number={i + 2}>
              {section.id === 'completeness' && review.findings.length > 0 && (
                <Findings findings={review.findings} />
              )}
            </SectionView>
          ))}
          <Method review={review} />
          <Statements statements={statementsOf(review)} />
        </main>
      </body>
    </html>
  );
  return `<!DOCTYPE html>\n${renderToString(page)}\n`;
}

function Cover({ review }: { review: Review }): JSX.Element {
  const { period } = review;
  return (
    <header class="cover">
      <p class="eyebrow">Keywitness · access review</p>
      <h1>Who used which secret, {plain(period.name)}</h1>
      <dl class="facts">
        <Fact name="Period">
          {isoIn(period.from, period.zone)} to {isoIn(period.to, period.zone)} ({period.zone}), the end not
          included
          <br />
          {isoIn(period.from, 'UTC')} to {isoIn(period.to, 'UTC')} (UTC)
        </Fact>
        <Fact name="Log begins">
          {review.logBegins.length === 0
            ? 'there is no event. '
            : review.logBegins.map((l) => `${plain(l.source)} ${isoIn(l.began, 'UTC')}`).join(', ')}
          . What lies before is not known: “not in the window” never means “never”.
        </Fact>
        <Fact name="Systems">{plain(systemsText(review))}</Fact>
        <Fact name="Made">
          {isoIn(review.madeAt, 'UTC')}, the time of the signed checkpoint it was made from
        </Fact>
        <Fact name="Exposure">
          {countText(review.exposureMs / 1000)} s: the longest time between two signed heartbeats. Records cut
          off the end together with their signatures within that time could go unseen; anything older could
          not.
        </Fact>
        <Fact name="Catalog">
          {review.catalog.version === 0
            ? 'none: environments, owners and kinds are unknown'
            : `version ${review.catalog.version}, SHA-256 ${review.catalog.hash}`}
        </Fact>
        <Fact name="Program">Keywitness {plain(review.productVersion)}</Fact>
        {review.viewer !== 'all' && (
          <Fact name="View">{plain(review.viewer)}: not everything the store holds</Fact>
        )}
      </dl>
      <Trust review={review} />
      {review.warnings.map((w) => (
        <p class="warning">{plain(w)}</p>
      ))}
      <nav aria-label="Contents">
        <ol>
          <li>
            <a href="#summary">Summary</a>
          </li>
          {review.sections.map((s) => (
            <li>
              <a href={`#${s.id}`}>{s.title}</a>
              {s.id === 'by-month' ? '' : ` (${countText(s.rows.length)})`}
            </li>
          ))}
          <li>
            <a href="#method">How this was counted</a>
          </li>
        </ol>
      </nav>
    </header>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** The first thing a reader must know: whether the numbers rest on a complete and unchanged log. */
function Trust({ review }: { review: Review }): JSX.Element {
  const streams = review.sections.find((s) => s.id === 'completeness')?.rows ?? [];
  const bad = streams.filter((r) => r.verdict === 'tampered' || r.verdict === 'truncated');
  const open = streams.filter(
    (r) =>
      (r.verdict !== 'intact' && r.verdict !== 'expired') ||
      (r.missing !== '0' && r.missing !== 'by bytes') ||
      Number(r.unaccounted) > 0 ||
      r.disagreement !== 'agree',
  );
  if (streams.length === 0)
    return <p class="alarm">No stream stands under the checkpoint: there is nothing to review.</p>;
  if (bad.length > 0 || review.findings.length > 0) {
    return (
      <p class="alarm">
        <strong>Do not rely on this review before this is explained.</strong> {bad.length} of {streams.length}{' '}
        streams were found tampered with or cut, and <code>verify</code> found {review.findings.length}{' '}
        {review.findings.length === 1 ? 'thing' : 'things'}: see{' '}
        <a href="#completeness">Completeness and accuracy</a>.
      </p>
    );
  }
  if (open.length > 0) {
    return (
      <p class="warning">
        {open.length} of {streams.length} streams are not proved complete: offsets are missing, or `verify`
        has not said “intact”. See <a href="#completeness">Completeness and accuracy</a>.
      </p>
    );
  }
  const gone = streams.reduce((n, r) => n + Number(r.expired) + Number(r.erased), 0);
  return (
    <p>
      All {streams.length} streams are complete and verified against signed checkpoints:{' '}
      <a href="#completeness">Completeness and accuracy</a>.
      {gone > 0 &&
        ` ${gone} records of them were lawfully dropped or erased: nobody can look at these any more.`}
    </p>
  );
}

/** A broken log has as many findings as it has records: the first ones say where to look. */
const findingsShownMax = 50;

function Findings({ findings }: { findings: readonly string[] }): JSX.Element {
  return (
    <div class="alarm">
      <p>
        <strong>What verify found</strong>
        {findings.length > findingsShownMax
          ? ` (the first ${findingsShownMax} of ${countText(findings.length)})`
          : ''}
      </p>
      <ul>
        {findings.slice(0, findingsShownMax).map((f) => (
          <li>{plain(f)}</li>
        ))}
      </ul>
    </div>
  );
}

function systemsText(review: Review): string {
  const systems = review.sections.find((s) => s.id === 'systems')?.rows ?? [];
  const names = systems.map((r) => [r.source, r.store].filter((w) => w !== '').join(' '));
  return [...new Set(names)].join(', ') || 'none';
}

function Summary({ review }: { review: Review }): JSX.Element {
  const weeks = review.sections.find((s) => s.id === 'by-time')?.rows ?? [];
  const rotation = review.sections.find((s) => s.id === 'rotation')?.rows ?? [];
  return (
    <section id="summary" aria-labelledby="summary-title">
      <h2 id="summary-title">1. Summary</h2>
      <ul class="figures">
        {figures.map((f) => (
          <li>
            <b>{countText(Number(review.figures.row[f.key] ?? 0))}</b> {f.label}
            <small>{f.note}</small>
          </li>
        ))}
      </ul>
      <Query id="summary" sql={review.figures.sql} words="How to get these numbers yourself" />
      <Highlights sections={review.sections} />
      <div class="charts">
        {weeks.length > 0 && <AccessOverTime weeks={weeks} />}
        {weeks.length > 0 && <DeniedShare weeks={weeks} />}
        {rotation.length > 0 && <RotationAge rows={rotation} />}
        {review.mostRead.rows.length > 0 && (
          <MostRead
            rows={review.mostRead.rows}
            before={plain(review.period.before.name)}
            hasBefore={review.hasBefore}
          />
        )}
      </div>
      {review.mostRead.rows.length > 0 && (
        <Query id="most-read" sql={review.mostRead.sql} words="How to get the most read secrets yourself" />
      )}
    </section>
  );
}

function Method({ review }: { review: Review }): JSX.Element {
  return (
    <section id="method" aria-labelledby="method-title">
      <h2 id="method-title">{review.sections.length + 2}. How this was counted</h2>
      <ul>
        <li>
          An act counts once, by its answer, however many devices or trails wrote it (distinct{' '}
          <code>dup_key</code> of finals).
        </li>
        <li>
          A read is an allowed read, use or issue of a secret, key, certificate, variable or state that
          returned a value. Listings, and requests that found nothing, are counted apart.
        </li>
        <li>Acts whose record names nobody are kept, on a line without an id.</li>
        <li>
          Environment, owner, team and kind are the catalog's, or unknown. Nothing is guessed from names.
        </li>
        <li>
          An event is named stream/partition/epoch/offset/index: <code>keywitness prove EVENT</code> gives the
          proof that it is in the log.
        </li>
        <li>
          Only records at or below the checkpoint are looked at. The same checkpoint, catalog and program give
          the same bytes; <code>manifest.json</code> has the SHA-256 of every file.
        </li>
        <li>
          The text of every statement is in <code>queries.sql</code> too.
        </li>
      </ul>
      <h3>Signed checkpoints</h3>
      {review.checkpoints.length === 0 ? (
        <p class="warning">There is no signed checkpoint yet.</p>
      ) : (
        review.checkpoints.map((note) => (
          <pre>
            <code>{noteText(note)}</code>
          </pre>
        ))
      )}
    </section>
  );
}

/** A signed note is lines: they stay. */
function noteText(note: string): string {
  return note.split('\n').map(plain).join('\n');
}
