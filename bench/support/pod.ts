/** A pod of about 3.4 kB as stored, with what a Deployment's pod and its default service account carry. */
export function podBytes(name: string, shard: number, nodeName?: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'default',
        labels: { app: 'bench', shard: String(shard), 'pod-template-hash': '6d4cf56db6' },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: 'bench-6d4cf56db6',
            uid: '1c2f9a7e-0000-4000-8000-000000000001',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: {
        ...(nodeName === undefined ? {} : { nodeName }),
        volumes: [
          { name: 'config', configMap: { name: 'bench', items: [{ key: 'app.conf', path: 'app.conf' }] } },
          {
            name: 'kube-api-access-bench',
            projected: {
              sources: [
                { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
                { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              ],
            },
          },
        ],
        containers: [
          {
            name: 'app',
            image: 'registry.example.com/team/app:v1.2.3',
            env: [
              { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'LOG_LEVEL', value: 'info' },
            ],
            ports: [{ name: 'http', containerPort: 8080 }],
            resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
            volumeMounts: [
              { name: 'config', mountPath: '/etc/app' },
              {
                name: 'kube-api-access-bench',
                mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
                readOnly: true,
              },
            ],
          },
        ],
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        ],
      },
    }),
  );
}
