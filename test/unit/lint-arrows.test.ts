/** The linter itself: an import against the arrows of ARCHITECTURE.md must fail, and say where the arrow points. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');

/** File → an import it may not have. */
const forbidden: Record<string, string> = {
  'core/ops/to-cli.ts': '../../cli/context.ts',
  'core/ops/to-hooks.ts': '../../hooks/install.ts',
  'core/ops/to-remotes.ts': '../../remotes/open.ts',
  'core/ops/to-steps.ts': '../steps/train.ts',
  'core/metrics/to-cli.ts': '../../cli/context.ts',
  'core/pipeline/to-ops.ts': '../ops/add.ts',
  'core/pipeline/to-steps.ts': '../steps/train.ts',
  'core/store/to-ops.ts': '../ops/add.ts',
  'core/store/to-pipeline.ts': '../pipeline/graph.ts',
  'core/model/to-store.ts': '../store/git.ts',
  'core/model/to-disk.ts': 'node:fs',
  'core/model/to-process.ts': 'node:child_process',
  'core/model/to-promises.ts': 'node:fs/promises',
  'core/steps/to-store.ts': '../store/git.ts',
  'core/steps/to-ops.ts': '../ops/add.ts',
  'hooks/to-cli.ts': '../cli/context.ts',
  'hooks/to-remotes.ts': '../remotes/open.ts',
  'hooks/to-steps.ts': '../core/steps/train.ts',
  'remotes/to-cli.ts': '../cli/context.ts',
  'remotes/to-hooks.ts': '../hooks/install.ts',
  'remotes/to-ops.ts': '../core/ops/push.ts',
};

/** File → an import that follows the arrows. */
const allowed: Record<string, string> = {
  'cli/fine.ts': '../remotes/open.ts',
  'cli/fine-too.ts': '../hooks/install.ts',
  'hooks/fine.ts': '../core/ops/checkout.ts',
  'remotes/fine.ts': '../core/store/remote.ts',
  'core/ops/fine.ts': '../pipeline/graph.ts',
  'core/pipeline/fine.ts': '../store/git.ts',
  'core/store/fine.ts': '../model/pointer.ts',
  'core/steps/fine.ts': '../model/step.ts',
  'core/model/fine.ts': 'node:crypto',
};

let folder: string;
let found: ReturnType<typeof lint>;

/** The folder the linter works in: the project's settings, and the samples. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dv-lint-'));
  copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
  execFileSync('git', ['init', '--quiet'], { cwd: folder });
  for (const [file, imported] of Object.entries({ ...forbidden, ...allowed })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `import * as it from '${imported}';\n\nexport { it };\n`);
  }
  const cycle = (a: string, b: string) =>
    writeFileSync(
      join(folder, `core/model/${a}.ts`),
      `import { ${b} } from './${b}.ts';\n\nexport const ${a} = () => ${b};\n`,
    );
  cycle('first', 'second');
  cycle('second', 'first');
  writeFileSync(join(folder, 'core/ops/prints.ts'), "console.log('hello');\n");
  found = lint();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the linter says of one file of the folder. */
interface Complaint {
  readonly category: string;
  readonly message: string;
}

/** Lints the whole folder once: file → complaints. */
function lint(): { status: number | null; complaints: Map<string, Complaint[]> } {
  const result = spawnSync(
    process.execPath,
    [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
  const complaints = new Map<string, Complaint[]>();
  const report = JSON.parse(result.stdout) as {
    diagnostics: { category: string; message: unknown; advices: unknown; location: { path: unknown } }[];
  };
  for (const { category, message, advices, location } of report.diagnostics) {
    const file = JSON.stringify(location.path);
    const name = [...Object.keys({ ...forbidden, ...allowed }), ...others].find((known) =>
      file.includes(known),
    );
    if (name === undefined) throw new Error(`the linter complains about ${file}: ${category}`);
    const list = complaints.get(name) ?? [];
    list.push({ category, message: JSON.stringify([message, advices]) });
    complaints.set(name, list);
  }
  return { status: result.status, complaints };
}

const others = ['core/model/first.ts', 'core/model/second.ts', 'core/ops/prints.ts'];
const rules = (file: string) => (found.complaints.get(file) ?? []).map((complaint) => complaint.category);
const words = (file: string) =>
  (found.complaints.get(file) ?? []).map((complaint) => complaint.message).join('\n');

describe('an import against the arrows fails', () => {
  test.each(Object.entries(forbidden))('%s may not import %s', (file) => {
    expect(rules(file)).toEqual(['lint/style/noRestrictedImports']);
    expect(found.status).toBe(1);
  });

  test('and the linter says what to do instead', () => {
    expect(words('core/ops/to-cli.ts')).toContain('core imports none of cli, hooks, remotes');
    expect(words('core/model/to-disk.ts')).toContain('core/model holds values');
    expect(words('hooks/to-remotes.ts')).toContain('the remote is handed in by cli');
  });
});

test.each(Object.entries(allowed))('%s may import %s', (file) => {
  expect(rules(file)).toEqual([]);
});

test('a cycle of imports fails', () => {
  expect(rules('core/model/first.ts')).toContain('lint/suspicious/noImportCycles');
  expect(rules('core/model/second.ts')).toContain('lint/suspicious/noImportCycles');
});

test('core may not print', () => {
  expect(rules('core/ops/prints.ts')).toEqual(['lint/suspicious/noConsole']);
});
