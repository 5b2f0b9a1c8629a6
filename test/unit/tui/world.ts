/** Tables for the tests of the view. */
import type { Row, Table } from '../../../core/metrics/table.ts';

/** What ages are counted from. */
export const now = new Date('2026-11-21T12:00:00Z');

/** A table of three branches, with a group of ten classes. */
export function threeBranches(): Table {
  const revision = (name: string, digit: string, files: number, hours: number, subject: string) => ({
    name,
    commit: digit.repeat(40),
    date: new Date(now.getTime() - hours * 3_600_000).toISOString(),
    subject,
    dataDigests: { 'data/train': `sha256:${digit.repeat(64)}`, 'data/test': `sha256:${'e'.repeat(64)}` },
    dataFiles: { 'data/train': files, 'data/test': 1000 },
  });
  const file = 'metrics/evaluate.json';
  const classes = Array.from({ length: 10 }, (_, i): Row => {
    const base = (60 + i) / 100;
    const values = [base, (70 + i) / 100, i === 3 ? 0.58 : (80 + i) / 100];
    return { file, key: `classes.${i}.f1`, better: 'higher', values };
  });
  return {
    revs: [
      revision('data/v1-raw', 'a', 600, 50, 'raw scans as collected'),
      revision('data/v2-clean', 'b', 720, 5, 'labels repaired, unreadable dropped'),
      revision('data/v3-augmented', 'c', 3000, 0, 'balanced and augmented to 3,000'),
    ],
    rows: [
      { file, key: 'accuracy', better: 'higher', values: [0.665, 0.849, 0.9312] },
      { file, key: 'loss', better: 'lower', values: [1.0932, 0.4822, 0.2291] },
      { file, key: 'images', values: [1000, 1000, 1000] },
      ...classes,
      { file: 'metrics/train.json', key: 'best_epoch', values: [6, null, 5] },
      { file: 'params.yaml', key: 'model', values: ['resnet50', 'resnet50', 'resnet18'] },
    ],
    problems: [
      { revision: 'data/v2-clean', file: 'metrics/train.json', message: 'git left a merge conflict here' },
    ],
  };
}

/** A table of many branches with hostile names, keys, values and subjects. */
export function hostileTable(columns: number): Table {
  const evil = '\u001b[2J\u001b]0;pwn\u0007\u001b[31m\n\u202e\u0085';
  const names = ['main', `evil${evil}`, '日本語のデータ', '👩‍👩‍👧-🐕‍🦺', 'שלום', 'x'.repeat(500), ''];
  const keys = [
    'accuracy',
    `a${evil}b`,
    'e\u0301\u0301\u0301',
    '日本の猫',
    'k'.repeat(300),
    'class.a.f1',
    'class.b.f1',
  ];
  return {
    revs: Array.from({ length: columns }, (_, i) => ({
      name: names[i] ?? `data/clean-v${i}`,
      commit: i === 3 ? null : `${i % 10}`.repeat(40),
      date: i === 3 ? null : '2026-11-01T00:00:00Z',
      subject: i === 3 ? null : `work ${evil}`,
      dataDigests: i % 2 === 0 ? { [`data/${evil}`]: `sha256:${'f'.repeat(64)}` } : {},
      dataFiles: i % 2 === 0 ? { [`data/${evil}`]: 1_234_567 + i } : {},
    })),
    rows: keys.map((key, k) => ({
      file: k === 3 ? `metrics/${evil}.json` : 'metrics/a.json',
      key,
      ...(k === 0 ? { better: 'higher' as const } : {}),
      values: Array.from({ length: columns }, (_, i) =>
        (i + k) % 7 === 0 ? null : k === 4 ? `text ${evil}` : k === 5 ? 1e9 * i : Math.sin(i + k),
      ),
    })),
    problems: [],
  };
}
