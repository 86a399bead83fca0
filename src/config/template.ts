/** What `keywitness config init` writes: every key with its default or an example, nothing secret in it. */
export function configTemplate(schemaPath: string): string {
  return `# yaml-language-server: $schema=${schemaPath}
# Keywitness. \${VAR}, \${VAR:-default} and file:PATH are put in after the file was parsed; relative paths start
# from this file's folder. \`keywitness config check\` says file:line:column for whatever is wrong.

# Embedded store, ledger state, outbox. The anchor is best on another disk: it is what a rewritten store cannot undo.
data: ./.keywitness
# anchor: ./.keywitness.anchor

# Witnesses on machines of other people: what they cosigned nobody can take back (docs/witness.md).
# anchors:
#   witness:
#     - { url: "https://witness.example.com", key: "keywitness-witness/76207584+21a99231+BHYgdYSduB35PVJiJQFIs8987xZTWua3ONX79oVnZurK" }

# What you know and no log says: environments, owners, people, networks, announced work.
# catalog: ./catalog.yaml

# Rules; without this the ones that come with Keywitness.
# rules: [./rules]

# Health and metrics. Beyond loopback only with tls or an explicit \`insecure: true\`.
listen: 127.0.0.1:9473

# Name of the Kafka cluster: part of each stream's name in the ledger, so choose it once.
cluster: main

# kafka:
#   brokers: ["127.0.0.1:9092"]
#   groupId: keywitness
#   topics:
#     - { name: vault-audit, source: vault, store: main }
#     - { name: cloudtrail, source: cloudtrail }
#     - { pattern: "vault-.+", source: vault }   # whole names; topics that come later are found within seconds
#   ssl: true                        # or { ca: ./kafka-ca.pem }
#   sasl: { mechanism: scram-sha-512, username: keywitness, password: "\${KAFKA_PASSWORD}" }

# A ClickHouse server; without this the engine runs inside Keywitness, in \`data\`.
# store:
#   url: http://127.0.0.1:8123
#   user: keywitness
#   password: file:./clickhouse-password

# For how long records are kept at least; \`keywitness retention apply\` drops older months, nothing else does.
# retention: { keep: 12m }

# POST /ingest/STREAM with a bearer token. Only the token's SHA-256 stands here: printf %s TOKEN | sha256sum
# http:
#   listen: 127.0.0.1:8473
#   streams:
#     - { name: vault-http, source: vault, tokens: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"] }

# Who is told. A channel that is not set is written to DATA/outbox instead.
# notify:
#   slack: { token: "\${SLACK_TOKEN}", channel: "#secrets-alerts" }
#   email: { smtp: "\${SMTP_URL}", from: keywitness@example.com, to: security@example.com }
`;
}
