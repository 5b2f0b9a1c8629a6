/** Which revisions a comparison is about, from what the user typed; the baseline comes first. */
import { DvError } from '../errors.ts';
import type { History, Ref } from '../store/history.ts';
import type { Repo } from '../store/repo.ts';
import { naturalOrder, sameColumns } from './compare.ts';
import { type Column, gather, workspaceName } from './gather.ts';
import { isWanted, type Kind } from './metric-files.ts';
import { pickColumns, type Table } from './table.ts';

/** What the user asked to compare. */
export interface Selection {
  /** Revisions, ranges `A..B`, and `workspace`. */
  readonly revisions: readonly string[];
  /** Every branch that has metrics, of remotes too where there is no local one. */
  readonly allBranches?: boolean;
  /** Only branches whose name matches; asks for branches by itself. */
  readonly glob?: string;
  /** The revision the others are measured by. */
  readonly baseline?: string;
}

/**
 * Compares as a git user expects. Nothing named: HEAD and the workspace. One revision: that one and the
 * workspace. More: those. A workspace that has HEAD's values and data goes under the branch's name. Without a
 * `baseline`: the first one named, or of branches `main`, `master`, the first.
 * @throws {DvError} unknown-revision, usage, git-failed
 */
export async function compareRevisions(
  repo: Repo,
  history: History,
  kind: Kind,
  selection: Selection,
): Promise<Table> {
  const current = await history.currentBranch();
  const head = await history.find('HEAD');
  const wantsBranches = selection.allBranches === true || selection.glob !== undefined;
  const named = await namedColumns(history, selection.revisions.flatMap(splitRange));
  const branches = wantsBranches ? await branchColumns(history, selection.glob) : [];
  const baseline = selection.baseline === undefined ? [] : await namedColumns(history, [selection.baseline]);
  const fixed = unique([...baseline, ...named]);
  const asked = unique([...fixed, ...branches]);
  const wantsWorkspace =
    !asked.includes('workspace') &&
    (wantsBranches ? named.length === 0 && selection.glob === undefined : named.length < 2);

  // HEAD is read with the workspace, to know whether the workspace differs from it.
  const headColumn = head === undefined ? [] : [{ name: current?.name ?? 'HEAD', commit: head }];
  const columns = [...asked, ...(wantsWorkspace ? [...headColumn, 'workspace' as const] : [])];
  const table = await gather({ repo, history, kind }, columns);

  // A branch whose metrics cannot be read is shown without values rather than left out.
  const hasMetrics = (column: number) =>
    table.rows.some((row) => row.values[column] !== null) ||
    table.problems.some(
      ({ revision, file }) => revision === table.revs[column]!.name && isWanted(kind, file),
    );
  const shown = asked.map((_, i) => i).filter((i) => i < fixed.length || hasMetrics(i));
  if (wantsWorkspace) {
    const [headAt, workspaceAt] = [asked.length, columns.length - 1];
    const clean = head !== undefined && sameColumns(table, headAt, workspaceAt, { data: kind === 'metrics' });
    const isAsked = asked.some((column) => column !== 'workspace' && column.commit.id === head?.id);
    if (head !== undefined && !isAsked && (named.length === 0 || clean)) shown.push(headAt);
    if (!clean) shown.push(workspaceAt);
  }
  if (wantsBranches && fixed.length === 0) {
    const at = ['main', 'master']
      .map((name) => shown.find((i) => table.revs[i]!.name === name))
      .find((i) => i !== undefined);
    if (at !== undefined) shown.unshift(...shown.splice(shown.indexOf(at), 1));
  }
  return pickColumns(table, shown);
}

/**
 * Reads revisions as they are, without a comparison in mind. Nothing named: the workspace, under the branch's
 * name where it has HEAD's values and data.
 * @throws {DvError} unknown-revision, usage, git-failed
 */
export async function showRevisions(
  repo: Repo,
  history: History,
  kind: Kind,
  selection: Selection,
): Promise<Table> {
  const one = selection.revisions.length === 1 && !selection.allBranches && selection.glob === undefined;
  if (one) return gather({ repo, history, kind }, await namedColumns(history, selection.revisions));
  const table = await compareRevisions(repo, history, kind, selection);
  const none = selection.revisions.length === 0 && !selection.allBranches && selection.glob === undefined;
  return none ? pickColumns(table, [table.revs.length - 1]) : table;
}

/** A table of metrics with the same revisions' parameters as further rows. @throws {DvError} git-failed */
export async function withParams(repo: Repo, history: History, table: Table): Promise<Table> {
  const ids = table.revs.flatMap(({ commit }) => commit ?? []);
  const commits = new Map((await history.resolveAll(ids)).map((commit) => [commit.id, commit]));
  const columns = table.revs.map(
    ({ name, commit }): Column => (commit === null ? 'workspace' : { name, commit: commits.get(commit)! }),
  );
  const params = await gather({ repo, history, kind: 'params' }, columns);
  return {
    revs: table.revs,
    rows: [...table.rows, ...params.rows],
    problems: [...table.problems, ...params.problems],
  };
}

/** `A..B` as two revisions, an empty side being HEAD; anything else as it is. No revision has `..` in it. */
function splitRange(typed: string): string[] {
  const sides = /^(.*?)\.\.\.?(.*)$/.exec(typed);
  return sides === null ? [typed] : [sides[1] || 'HEAD', sides[2] || 'HEAD'];
}

async function namedColumns(history: History, names: readonly string[]): Promise<Column[]> {
  const revisions = names.filter((name) => name !== workspaceName);
  const commits = await history.resolveAll(revisions);
  return names.map((name) =>
    name === workspaceName ? 'workspace' : { name, commit: commits[revisions.indexOf(name)]! },
  );
}

async function branchColumns(history: History, glob: string | undefined): Promise<Column[]> {
  const options = { remotes: true, ...(glob === undefined ? {} : { glob }) };
  const branches: Ref[] = await history.branches(options);
  if (branches.length === 0 && glob !== undefined) {
    throw new DvError('usage', { message: `no branch matches ${glob}`, hint: 'git branch --all' });
  }
  branches.sort((a, b) => naturalOrder(a.name, b.name));
  const commits = await history.resolveAll(branches.map((branch) => branch.fullName));
  return branches.map((branch, i) => ({ name: branch.name, commit: commits[i]! }));
}

/** Drops columns that repeat an earlier one's name. */
function unique(columns: readonly Column[]): Column[] {
  const seen = new Set<string>();
  return columns.filter((column) => {
    const name = column === 'workspace' ? workspaceName : column.name;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
