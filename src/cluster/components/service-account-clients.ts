/**
 * `--use-service-account-credentials`: each controller writes as its own service account in kube-system, with a token that is asked for and
 * renewed here. Source of behaviour: k8s.io/controller-manager/pkg/clientbuilder (DynamicControllerClientBuilder).
 */
import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import type { Transport, TransportRequest } from '../../client/transport.ts';
import { userAgentOf } from './run-component.ts';

const namespace = 'kube-system';
const lifetimeSeconds = 3600;

/**
 * @param manager the controller manager's own client, which may make service accounts and their tokens.
 * @param anonymous a transport to the same server without credentials.
 */
export function createServiceAccountClients(
  manager: Client,
  anonymous: Transport,
  clock: Clock,
): (serviceAccount: string) => Client {
  return (name) => {
    let token: { readonly text: string; readonly renewAtMs: number } | undefined;
    let asking: Promise<string> | undefined;
    const ask = async (): Promise<string> => {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: lifetimeSeconds },
      } as const;
      const request = () => manager.transport.request({ method: 'POST', path: tokenPath(name), body });
      let answer: Awaited<ReturnType<typeof request>>;
      try {
        answer = await request();
      } catch (error) {
        if (!isNotFound(error)) throw error;
        await makeAccount(manager, name);
        answer = await request();
      }
      const text = String((answer.status as { token?: string } | undefined)?.token ?? '');
      token = { text, renewAtMs: clock.monotonic() + lifetimeSeconds * 800 };
      return text;
    };
    const authorized = async (request: TransportRequest): Promise<TransportRequest> => {
      let text = token?.text;
      if (token === undefined || clock.monotonic() >= token.renewAtMs)
        text = await (asking ??= ask().finally(() => {
          asking = undefined;
        }));
      return { ...request, headers: { ...request.headers, authorization: `Bearer ${text}` } };
    };
    const transport: Transport = {
      request: async (request) => anonymous.request(await authorized(request)),
      watch: async (request) => anonymous.watch(await authorized(request)),
      stream: async (request) => anonymous.stream(await authorized(request)),
      close: async () => undefined,
    };
    return createClient(transport, {
      fieldManager: 'kube-controller-manager',
      userAgent: `${userAgentOf('kube-controller-manager')}/system:serviceaccount:${namespace}:${name}`,
    });
  };
}

const tokenPath = (name: string): string => `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;

/** Two managers may do so at once. */
async function makeAccount(manager: Client, name: string): Promise<void> {
  try {
    await manager
      .resource(resources.serviceAccounts)
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
