import { refuse } from './lexer.ts';

/** What the engine's own tree of a query names (`EXPLAIN QUERY TREE`, one node a line). */
export interface NamedInTree {
  readonly functions: ReadonlySet<string>;
  readonly tableFunctions: ReadonlySet<string>;
  /** Before the passes also columns and aliases; afterwards none. */
  readonly identifiers: ReadonlySet<string>;
  /** `database.table`, once the passes have resolved them. */
  readonly tables: ReadonlySet<string>;
  /** Columns by the table they are read from. */
  readonly columns: readonly { readonly table: string; readonly column: string }[];
}

const functionNode = /^ *FUNCTION id: \d+, (?:alias: [^,]*, )?function_name: ([^,\n]*)/;
const tableFunctionNode = /^ *TABLE_FUNCTION id: \d+, (?:alias: [^,]*, )?table_function_name: ([^,\n]*)/;
const identifierNode = /^ *IDENTIFIER id: \d+, (?:alias: [^,]*, )?identifier: ([^,\n]*)/;
const tableNode = /^ *TABLE id: (\d+), (?:alias: [^,]*, )?table_name: ([^,\n]*)/;
const columnNode =
  /^ *COLUMN id: \d+, (?:alias: [^,]*, )?column_name: ([^,\n]*), .*source_id: (\d+)(?:,[^\n]*)?$/;
const anyNode = /^ *(FUNCTION|TABLE_FUNCTION|IDENTIFIER|TABLE|COLUMN) id: /;

/**
 * Reads a tree. The lexer lets no comma, quote or line break into a name, so a name can not imitate a node; text
 * of string literals could, and then only adds to what is refused: nothing is ever taken away.
 */
export function namedInTree(tree: string): NamedInTree {
  const functions = new Set<string>();
  const tableFunctions = new Set<string>();
  const identifiers = new Set<string>();
  const tables = new Set<string>();
  const tableIds = new Map<string, string[]>();
  const read: { column: string; source: string }[] = [];
  for (const line of tree.split('\n')) {
    if (!anyNode.test(line)) continue;
    const called = functionNode.exec(line);
    const tableFunction = tableFunctionNode.exec(line);
    const identifier = identifierNode.exec(line);
    const table = tableNode.exec(line);
    const column = columnNode.exec(line);
    if (called) functions.add(called[1] ?? '');
    else if (tableFunction) tableFunctions.add(tableFunction[1] ?? '');
    else if (identifier) identifiers.add(identifier[1] ?? '');
    else if (table) {
      tables.add(table[2] ?? '');
      tableIds.set(table[1] ?? '', [...(tableIds.get(table[1] ?? '') ?? []), table[2] ?? '']);
    } else if (column) read.push({ column: column[1] ?? '', source: column[2] ?? '' });
    // A node this reader does not understand could be the one that matters.
    else refuse('The engine describes it in a way that this version does not read.');
  }
  const columns = read.flatMap(({ column, source }) =>
    (tableIds.get(source) ?? []).map((table) => ({ table, column })),
  );
  return { functions, tableFunctions, identifiers, tables, columns };
}

/** Table functions that make rows of nothing but their arguments. */
const tableFunctionsAllowed = new Set(
  'numbers numbers_mt zeros zeros_mt generateseries generate_series primes values sqlstandardvalues'.split(
    ' ',
  ),
);

/** Tables of `system` that describe the store and not its host. */
const systemTablesAllowed = new Set(
  'one numbers numbers_mt zeros tables columns databases functions table_functions parts parts_columns merges mutations data_skipping_indices formats time_zones keywords data_type_families'
    .split(' ')
    .map((t) => `system.${t}`),
);

/** Functions that read files, the environment, other machines or dictionaries, or that wait or write a log. */
const functionsRefused = new Set(
  (
    'file catboostevaluate evalmlmethod hascolumnintable joinget joingetornull filesystemavailable filesystemcapacity filesystemunreserved ' +
    'getserversetting getserverport getmacro getclienthttpheader getoskernelversion showcertificate globalvariable hostname fullhostname displayname fqdn ' +
    'tcpport serveruuid logtrace sleep sleepeachrow generateserialid reversednsquery zookeepersessionuptime transactionid ' +
    'transactionlatestsnapshot transactionoldestsnapshot addresstoline addresstolinewithinlines addresstosymbol demangle lemmatize stem synonyms ' +
    'detectlanguage detectprogramminglanguage naivebayesclassifier naivebayesclassifierwithprob naivebayesclassifierwithallprobs fuzzquery ' +
    'structuretocapnprotoschema structuretoprotobufschema'
  ).split(' '),
);
const functionPrefixesRefused = ['ai', 'dictget', 'dicthas', 'dictis', 'regionto', 'regionin', 'regionhier'];

/** Text before any pass: nothing has been looked up or run yet. @throws KW_QUERY_REFUSED */
export function checkSyntaxTree(named: NamedInTree, engineTableFunctions: ReadonlySet<string>): void {
  for (const name of named.tableFunctions) {
    if (!tableFunctionsAllowed.has(name.toLowerCase()))
      refuse(
        `The table function ${name}() can read outside the store; allowed are numbers, values and zeros.`,
      );
  }
  for (const name of named.functions) {
    const lower = name.toLowerCase();
    // `x IN url(…)` is a plain function in the tree, and a table function when it runs.
    if (engineTableFunctions.has(lower) && !tableFunctionsAllowed.has(lower))
      refuse(`The table function ${name}() can read outside the store.`);
    if (lower.startsWith('__')) refuse(`The function ${name}() is internal to the engine.`);
    checkFunction(name);
  }
  for (const name of named.identifiers) {
    // In the embedded engine the database `default` is the host's file system: default.`/etc/passwd` is a file.
    if (/^`?default`?\./i.test(name)) refuse(`The name ${name} can reach a file of the host.`);
  }
}

/** The tree after the passes, of the query or of a view in it. @throws KW_QUERY_REFUSED */
export function checkResolvedTree(named: NamedInTree, isRawAllowed: boolean): void {
  for (const name of named.functions) checkFunction(name);
  for (const name of named.tableFunctions) {
    if (!tableFunctionsAllowed.has(name.toLowerCase()))
      refuse(`The table function ${name}() can read outside the store.`);
  }
  for (const table of named.tables) {
    if (!table.startsWith('kw.') && !systemTablesAllowed.has(table))
      refuse(`The table ${table} is not one of the store's.`);
  }
  if (isRawAllowed) return;
  const raw = named.columns.find((c) => c.table === 'kw.records' && isRawColumn(c.column));
  if (raw !== undefined)
    refuse(
      `It reads kw.records.${raw.column.split('.')[0]}: raw bytes, keys and headers may hold secrets. Ask with --raw, which is logged.`,
    );
}

function isRawColumn(column: string): boolean {
  return /^(value|key|headers)(\.|$)/.test(column);
}

function checkFunction(name: string): void {
  const lower = name.toLowerCase();
  if (functionsRefused.has(lower) || functionPrefixesRefused.some((p) => lower.startsWith(p)))
    refuse(`The function ${name}() can reach outside the store.`);
}
