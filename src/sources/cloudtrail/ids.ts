/** Where a record stands when its identifiers say less than an ARN. */
export interface AwsScope {
  readonly account: string;
  readonly region: string;
}

export interface AwsObject {
  /** Canonical (docs/sources/cloudtrail.md), without version. */
  readonly id: string;
  readonly account: string;
  readonly region: string;
}

interface Arn {
  readonly service: string;
  readonly region: string;
  readonly account: string;
  readonly resource: string;
}

function parseArn(text: string): Arn | undefined {
  if (!text.startsWith('arn:')) return undefined;
  const [, , service = '', region = '', account = '', ...resource] = text.split(':');
  return { service, region, account, resource: resource.join(':') };
}

/** `secretId` is a name or an ARN. AWS adds a hyphen and six characters, which only an ARN surely ends with. */
export function secretObject(nameOrArn: string, scope: AwsScope): AwsObject {
  const arn = parseArn(nameOrArn);
  if (arn === undefined) return inScope(`aws:sm:${scope.account}:${scope.region}:${nameOrArn}`, scope);
  const name = arn.resource.replace(/^secret:/, '').replace(/-[A-Za-z0-9]{6}$/, '');
  return { id: `aws:sm:${arn.account}:${arn.region}:${name}`, account: arn.account, region: arn.region };
}

/** A parameter's name, ARN, or either with `:version` or `:label` behind it. */
export function parameterObject(
  nameOrArn: string,
  scope: AwsScope,
): AwsObject & { readonly version: string } {
  const arn = parseArn(nameOrArn);
  const full = arn === undefined ? nameOrArn : parameterName(arn.resource);
  const colon = full.indexOf(':');
  const name = colon === -1 ? full : full.slice(0, colon);
  const version = colon === -1 ? '' : full.slice(colon + 1);
  const at = arn === undefined ? scope : { account: arn.account, region: arn.region };
  return {
    id: `aws:ssm:${at.account}:${at.region}:${name}`,
    account: at.account,
    region: at.region,
    version,
  };
}

/** `parameter/a/b` is the name `/a/b`, `parameter/a` the name `a`: only a path keeps its slash. */
function parameterName(resource: string): string {
  const name = resource.replace(/^parameter\//, '');
  return name.includes('/') ? `/${name}` : name;
}

/** A key id, alias or ARN. */
export function keyObject(keyId: string, scope: AwsScope): AwsObject {
  if (keyId.startsWith('arn:')) return arnObject(keyId, scope);
  const resource = keyId.startsWith('alias/') ? keyId : `key/${keyId}`;
  return inScope(`arn:aws:kms:${scope.region}:${scope.account}:${resource}`, scope);
}

/** Any ARN: secrets and parameters get their canonical name, the others are their own. */
export function arnObject(text: string, scope: AwsScope): AwsObject {
  const arn = parseArn(text);
  if (arn === undefined) return inScope(text, scope);
  if (arn.service === 'secretsmanager') return secretObject(text, scope);
  if (arn.service === 'ssm' && arn.resource.startsWith('parameter/')) return parameterObject(text, scope);
  if (arn.service === 's3') return inScope(`s3:${arn.resource}`, scope);
  return { id: text, account: arn.account || scope.account, region: arn.region };
}

export function inScope(id: string, scope: AwsScope): AwsObject {
  return { id, account: scope.account, region: scope.region };
}
