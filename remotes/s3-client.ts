/**
 * The S3 client as dv wants it: whose credentials, which endpoint, how much it checks. Credentials are looked for by the
 * client itself, in its own order: environment, shared files with profiles, SSO and assumed roles, web identity,
 * containers, the instance.
 */
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { RemoteConfig } from '../core/model/config.ts';
import { requireProfile } from './aws-profiles.ts';

/** Where and how; what the tests of this driver set beside a remote's settings. */
export type S3Settings = Omit<RemoteConfig, 'name' | 'endpointFromRepository' | 'userProject'> &
  Pick<S3ClientConfig, 'credentials' | 'requestHandler' | 'systemClockOffset'> & {
    /** How long a connection may stand still, if not as long as usual. */
    readonly idleMs?: number;
  };

const sockets = 64;

/** A client and what it turned out to be. */
export interface OpenedS3 {
  readonly client: S3Client;
  /** Whether it speaks to another maker's server. */
  readonly custom: boolean;
  /** Whether it sends no credentials. */
  readonly anonymous: boolean;
}

type Client = new (config: S3ClientConfig) => S3Client;

/**
 * The endpoint that the environment or the profile names (`AWS_ENDPOINT_URL_S3`, `endpoint_url`), as the client finds it.
 * The client looks in the profile of `AWS_PROFILE` only, so that says meanwhile which one.
 */
async function configuredEndpoint(Client: Client, profile: string | undefined): Promise<string | undefined> {
  const { config } = new Client({ region: 'us-east-1' });
  const find = 'serviceConfiguredEndpoint' in config ? config.serviceConfiguredEndpoint : undefined;
  if (typeof find !== 'function') return undefined;
  const before = process.env.AWS_PROFILE;
  if (profile !== undefined) process.env.AWS_PROFILE = profile;
  try {
    const found: unknown = await find();
    return typeof found === 'string' && found !== '' ? found : undefined;
  } finally {
    if (before === undefined) delete process.env.AWS_PROFILE;
    else process.env.AWS_PROFILE = before;
  }
}

/** Makes a client. Nothing is sent to the bucket. @throws what the chain of credentials throws, but for "there are none". */
export async function createS3Client(settings: S3Settings): Promise<OpenedS3> {
  // The client warns of its own future versions; which one dv uses is decided by dv.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const { profile, credentials } = settings;
  if (profile !== undefined && credentials === undefined) requireProfile(profile, process.env);
  const { S3Client: Client } = await import('@aws-sdk/client-s3');
  const endpoint = settings.endpoint ?? (await configuredEndpoint(Client, profile));
  const agent = { keepAlive: true, maxSockets: sockets };
  const config: S3ClientConfig = {
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(settings.systemClockOffset === undefined ? {} : { systemClockOffset: settings.systemClockOffset }),
    // Other makers' servers know neither the bucket as a host name nor all of AWS's checksums.
    ...(endpoint === undefined
      ? { followRegionRedirects: true, forcePathStyle: settings.pathStyle ?? false }
      : {
          endpoint,
          forcePathStyle: settings.pathStyle ?? true,
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED',
        }),
    // Attempts are counted in s3.ts: the client never repeats a download that was cut.
    maxAttempts: 1,
    requestHandler: settings.requestHandler ?? {
      connectionTimeout: 10_000,
      socketTimeout: settings.idleMs ?? 60_000,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
  const withRegion = async (region: string | undefined) => {
    const client = new Client(region === undefined ? config : { ...config, region });
    await client.config.region();
    return client;
  };
  let client: S3Client;
  try {
    client = await withRegion(settings.region);
  } catch {
    // Neither settings nor profile name one; redirects lead to the bucket's own.
    client = await withRegion('us-east-1');
  }
  const custom = endpoint !== undefined;
  if (settings.anonymous === true || (await hasNoCredentials(client, settings))) {
    client.config.credentials = async () => ({ accessKeyId: '', secretAccessKey: '' });
    client.config.signer = async () => ({ sign: async (request) => request });
    return { client, custom, anonymous: true };
  }
  return { client, custom, anonymous: false };
}

/** Whether nobody gave any. A public bucket can be read without; somebody who named a profile did mean to have some. */
async function hasNoCredentials(client: S3Client, { profile }: S3Settings): Promise<boolean> {
  try {
    await client.config.credentials();
    return false;
  } catch (error) {
    if (profile === undefined && error instanceof Error && error.name === 'CredentialsProviderError')
      return true;
    throw error;
  }
}
