// A VolcanoJob of a few parameters, for the cost of a template language.
function(nodes=2, devices=8) {
  apiVersion: 'batch.volcano.sh/v1alpha1',
  kind: 'Job',
  metadata: { generateName: 'run-' },
  spec: {
    minAvailable: nodes,
    tasks: [{
      name: 'worker',
      replicas: nodes,
      template: { spec: { restartPolicy: 'Never', containers: [{
        name: 'train',
        image: 'registry.example.com/trainer:1.0',
        command: ['torchrun', '--nnodes', std.toString(nodes), 'train.py'],
        resources: { limits: { 'nvidia.com/gpu': devices } },
      }] } },
    }],
  },
}
