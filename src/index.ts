/**
 * Keywitness as a library: the whole line in one process, and what a new source or notifier is written with.
 * Sigma alone is `keywitness/sigma`.
 */

export type { IngestOptions, IngestSummary } from './app/ingestFile.ts';
export { type App, type AppOptions, openApp } from './app.ts';
export { type Clock, systemClock } from './core/clock.ts';
export { type ErrorCode, KeywitnessError } from './core/errors.ts';
export { type AuditEvent, blankEvent, type Enrichment, eventJson, type StoredEvent } from './core/event.ts';
export type { Delivery, Message, Notifier } from './core/notifier.ts';
export type { Outcome } from './core/outcome.ts';
export type { EventRef, KwRecord, StreamKey } from './core/record.ts';
export { Secret } from './core/secret.ts';
export type { Alert, AlertState, Level, Signal } from './core/signal.ts';
export { defineNotifier, type NotifierModule } from './notify/notifier.ts';
export { defaultStreamSettings, defineSource, type Source, type StreamSettings } from './sources/source.ts';
export { type Engine, openEmbedded, openServer } from './store/client.ts';
