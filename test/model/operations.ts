/** What users do, each on the model and on the real repository; a generator picks what is possible at the moment. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDvError } from '../../core/errors.ts';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { add } from '../../core/ops/add.ts';
import { checkout } from '../../core/ops/checkout.ts';
import { commit } from '../../core/ops/commit.ts';
import { fetch } from '../../core/ops/fetch.ts';
import { gc } from '../../core/ops/gc.ts';
import { mv } from '../../core/ops/mv.ts';
import { push } from '../../core/ops/push.ts';
import { restore } from '../../core/ops/restore.ts';
import { rm } from '../../core/ops/rm.ts';
import { openRepo } from '../../core/store/repo.ts';
import { packsIn, putPack } from '../support/cache-packs.ts';
import { mergePointers, type Pointers } from './model.ts';
import { branchNames, fileNames, isFile, killed, names, newContent, type Operation } from './run.ts';
import { readListing } from './world.ts';

/** The paths of which all three versions differ. */
function describeConflict(base: Pointers, ours: Pointers, theirs: Pointers): string {
  const versions = (path: string) =>
    [base, ours, theirs].map((side) => [...(side.get(path) ?? ['nothing'])].join(' | '));
  return [...new Set([...base.keys(), ...ours.keys(), ...theirs.keys()])]
    .filter((path) => new Set(versions(path)).size === 3)
    .map((path) => `${path}: ${versions(path).join(' → ')}`)
    .join('; ');
}

const editFile: Operation = (run) => {
  const { model, world, chance } = run;
  const path = chance.pick([...model.files.keys()].filter((name) => model.at(name).size > 0));
  if (path === undefined) return undefined;
  const file = chance.pick([...model.at(path).keys()])!;
  const content = newContent(run, path);
  return {
    words: `edit ${path} ${file}: ${content.trim()}`,
    async do() {
      world.write(file === '' ? path : `${path}/${file}`, content);
      model.at(path).set(file, content);
    },
  };
};

const addFile: Operation = (run) => {
  const { model, world, chance } = run;
  const path = chance.pick(names)!;
  const file = isFile(path) ? '' : chance.pick(fileNames)!;
  if (model.at(path).has(file)) return undefined;
  const content = newContent(run, path);
  return {
    words: `new file ${path} ${file}: ${content.trim()}`,
    async do() {
      world.write(file === '' ? path : `${path}/${file}`, content);
      model.at(path).set(file, content);
    },
  };
};

const deleteFile: Operation = ({ model, world, chance }) => {
  const path = chance.pick([...model.files.keys()].filter((name) => model.at(name).size > 1));
  if (path === undefined) return undefined;
  const file = chance.pick([...model.at(path).keys()])!;
  return {
    words: `delete ${path} ${file}`,
    async do() {
      world.delete(`${path}/${file}`);
      model.at(path).delete(file);
    },
  };
};

const renameFile: Operation = ({ model, world, chance }) => {
  const path = chance.pick(
    [...model.files.keys()].filter((name) => !isFile(name) && model.at(name).size > 0),
  );
  if (path === undefined) return undefined;
  const files = model.at(path);
  const from = chance.pick([...files.keys()])!;
  const to = chance.pick(fileNames.filter((name) => !files.has(name)));
  if (to === undefined) return undefined;
  return {
    words: `rename ${path} ${from} ${to}`,
    async do() {
      world.rename(`${path}/${from}`, `${path}/${to}`);
      files.set(to, files.get(from)!);
      files.delete(from);
    },
  };
};

const addPath: Operation = (run) => {
  const { model, world, chance } = run;
  const path = chance.pick([...model.files.keys()].filter((name) => model.at(name).size > 0));
  if (path === undefined) return undefined;
  const store = !run.withoutBytes || chance.below(2) === 0;
  const args = ['add', path, ...(store ? [] : ['--no-commit'])];
  return {
    words: `dv ${args.join(' ')}`,
    async do() {
      if (!(await killed(run, args))) await add(world.open(), [path as RepoPath], { store });
      model.add(path, store);
    },
  };
};

const commitBytes: Operation = (run) => {
  const { model, world } = run;
  const paths = [...model.pointers.keys()].filter((path) => world.exists(path));
  if (!run.withoutBytes || paths.length === 0 || paths.some((path) => model.at(path).size === 0))
    return undefined;
  return {
    words: 'dv commit',
    async do() {
      if (!(await killed(run, ['commit'], [12]))) await commit(world.open());
      for (const path of paths) model.add(path);
    },
  };
};

const gitCommit: Operation = ({ model, world }) => ({
  words: 'git commit',
  async do() {
    await world.gitOk('commit', '--quiet', '--allow-empty', '--message', 'next');
    model.commit((await world.gitOk('rev-parse', 'HEAD')).trim());
  },
});

const newBranch: Operation = ({ model, world, chance }) => {
  const name = chance.pick(branchNames.filter((branch) => !model.branches.has(branch)));
  if (name === undefined) return undefined;
  return {
    words: `git checkout -b ${name}`,
    async do() {
      await world.gitOk('checkout', '--quiet', '-b', name);
      await world.follow(false);
      model.branches.set(name, model.branches.get(model.branch)!);
      model.branch = name;
      model.follow({ complete: false });
    },
  };
};

const deleteBranch: Operation = ({ model, world, chance }) => {
  const name = chance.pick([...model.branches.keys()].filter((branch) => branch !== model.branch));
  if (name === undefined || chance.below(3) !== 0) return undefined;
  return {
    words: `git branch -D ${name}`,
    async do() {
      await world.gitOk('branch', '--quiet', '-D', name);
      model.branches.delete(name);
    },
  };
};

const checkoutBranch: Operation = (run) => {
  const { model, world, chance } = run;
  const name = chance.pick([...model.branches.keys()].filter((branch) => branch !== model.branch));
  if (name === undefined) return undefined;
  const how = chance.below(8);
  return {
    words: `git checkout ${name}${how === 0 ? ', killed and again' : how === 1 ? ' with hooks' : ''}`,
    async do() {
      const target = model.commits.get(model.branches.get(name)!)!;
      const args = ['checkout', '--quiet', name];
      const kill = how === 0 ? { at: 1 + chance.below(50), middle: chance.below(3) === 0 } : undefined;
      const outcome = await (how <= 1 ? world.gitWithHooks(args, kill) : world.git(...args));
      const there = (await world.gitOk('symbolic-ref', '--short', 'HEAD')).trim() === name;
      if (!there) {
        // git carries staged pointers over only where both branches agree about them.
        if (model.isCommitted) throw new Error(`git checkout ${name} failed: ${outcome.stderr}`);
        return;
      }
      if (how === 0) await world.gitWithHooks(args);
      if (how > 1) await world.follow(false);
      model.pointers = model.carriedOver(target);
      model.branch = name;
      model.follow({ complete: false });
    },
  };
};

const mergeBranch: Operation = ({ model, world, chance }) => {
  const name = chance.pick([...model.branches.keys()].filter((branch) => branch !== model.branch));
  if (name === undefined || !model.isCommitted) return undefined;
  return {
    words: `git merge ${name}`,
    async do() {
      const bases = (await world.gitOk('merge-base', '--all', 'HEAD', name)).trim().split('\n');
      if (bases.length !== 1) return;
      const theirs = model.commits.get(model.branches.get(name)!)!;
      const base = model.commits.get(bases[0]!)!;
      const merged = mergePointers(base, model.head, theirs);
      // Where a path went away on one side, git before 2.50 looks for a rename, whatever merge.renames says.
      const stays = [...base.keys()].every((path) => model.head.has(path) && theirs.has(path));
      if (merged === 'conflict' && !stays) return;
      const outcome = await world.git('merge', '--quiet', '--no-edit', name);
      if (outcome.status !== 0) {
        await world.gitOk('merge', '--abort');
        return;
      }
      if (merged === 'conflict')
        throw new Error(
          `git merged what both sides changed differently: ${describeConflict(base, model.head, theirs)}`,
        );
      model.pointers = new Map(merged);
      model.commit((await world.gitOk('rev-parse', 'HEAD')).trim());
      await world.follow(false);
      model.follow({ complete: false });
    },
  };
};

const stash: Operation = ({ model, world }) => {
  if (model.stash !== undefined || model.isCommitted) return undefined;
  return {
    words: 'git stash; dv checkout',
    async do() {
      const base = model.head;
      await world.gitOk('stash', '--quiet');
      model.stash = { base, pointers: new Map(model.pointers) };
      model.pointers = new Map(base);
      await world.follow(true);
      model.follow({ complete: true });
    },
  };
};

const popStash: Operation = ({ model, world }) => {
  const { stash } = model;
  if (stash === undefined || !model.isCommitted) return undefined;
  return {
    words: 'git stash pop; dv checkout',
    async do() {
      // Where a path went away on one side, git 2.39 looks for a rename, whatever merge.renames says: not for this model.
      const stays = [...stash.base.keys()].every((path) => stash.pointers.has(path) && model.head.has(path));
      if (stays && (await world.git('stash', 'pop', '--quiet')).status === 0) {
        const merged = mergePointers(stash.base, model.head, stash.pointers);
        if (merged === 'conflict')
          throw new Error(
            `git restored what was changed differently since: ${describeConflict(stash.base, model.head, stash.pointers)}`,
          );
        model.pointers = new Map(merged);
        await world.gitOk('add', '--all', '--', ':(glob)**/*.dv', ':(glob)**/.gitignore');
      } else {
        await world.gitOk('reset', '--quiet', '--hard');
        await world.git('stash', 'drop', '--quiet');
      }
      model.stash = undefined;
      await world.follow(true);
      model.follow({ complete: true });
    },
  };
};

const move: Operation = (run) => {
  const { model, world, chance } = run;
  const from = chance.pick([...model.pointers.keys()]);
  if (from === undefined) return undefined;
  const free = names.filter(
    (name) => isFile(name) === isFile(from) && !model.pointers.has(name) && !world.exists(name),
  );
  const to = chance.pick(free);
  if (to === undefined) return undefined;
  return {
    words: `dv mv ${from} ${to}`,
    async do() {
      mkdirSync(dirname(join(world.repo.root, to)), { recursive: true });
      if (!(await killed(run, ['mv', from, to], [2])))
        await mv(world.open(), [from as RepoPath], to as RepoPath);
      model.move(from, to);
    },
  };
};

const remove: Operation = (run) => {
  const { model, world, chance } = run;
  const path = chance.pick([...model.pointers.keys()]);
  if (path === undefined || chance.below(2) === 0) return undefined;
  const cached = chance.below(3) === 0;
  const force = chance.below(3) === 0;
  const args = ['rm', path, ...(cached ? ['--cached'] : []), ...(force ? ['--force'] : [])];
  return {
    words: `dv ${args.join(' ')}`,
    async do() {
      if (!cached && !force && model.unrecorded(path).length > 0) {
        const error = await rm(world.open(), [path as RepoPath], { cached, force }).catch(
          (thrown: unknown) => thrown,
        );
        if (!isDvError(error, 'local-changes')) throw new Error(`dv rm ${path} took changes nobody recorded`);
        return;
      }
      if (!(await killed(run, args, [2]))) await rm(world.open(), [path as RepoPath], { cached, force });
      model.remove(path, cached);
    },
  };
};

const restorePath: Operation = ({ model, world, chance }) => {
  const path = chance.pick([...model.pointers.keys()]);
  if (path === undefined) return undefined;
  return {
    words: `dv restore ${path}`,
    async do() {
      await restore(world.open(), { paths: [path as RepoPath] });
      model.follow({ complete: true, force: true, only: path });
    },
  };
};

const checkoutAll: Operation = (run) => ({
  words: 'dv checkout',
  async do() {
    const { model, world } = run;
    if (!(await killed(run, ['checkout'], [4, 12]))) await world.follow(true);
    model.follow({ complete: true });
  },
});

const collect: Operation = ({ world }) => ({
  words: 'dv gc --yes --force --older-than 0s',
  async do() {
    await gc(world.open(), {
      apply: true,
      force: true,
      olderThanMs: 0,
      skipBroken: false,
      usedBy: undefined,
      remotes: [],
      env: world.repo.env,
    });
  },
});

const pushAll: Operation = ({ world, withoutBytes }) =>
  withoutBytes
    ? undefined
    : {
        words: 'dv push --all',
        async do() {
          const remote = await world.openRemote();
          await push(world.open(), remote, { select: { workspace: true, revisions: [], all: true } });
        },
      };

const loseCache: Operation = ({ model, world, withoutBytes, chance }) => {
  if (withoutBytes || !model.isClean || model.stash !== undefined || chance.below(3) !== 0) return undefined;
  return {
    words: 'dv push --all; the cache is lost; dv fetch --all',
    async do() {
      const remote = await world.openRemote();
      await push(world.open(), remote, { select: { workspace: true, revisions: [], all: true } });
      world.loseCache();
      await fetch(world.open(), remote, { select: { workspace: true, revisions: [], all: true } });
    },
  };
};

const losePack: Operation = ({ model, world, withoutBytes, chance }) => {
  if (withoutBytes || !model.isClean || model.stash !== undefined) return undefined;
  const pack = chance.pick(packsIn(world.open().objectsDir));
  if (pack === undefined) return undefined;
  const isCut = chance.below(2) === 0;
  return {
    words: `dv push --all; a pack of the cache is ${isCut ? 'cut' : 'lost'}; dv fetch --all`,
    async do() {
      const remote = await world.openRemote();
      const select = { workspace: true, revisions: [], all: true };
      await push(world.open(), remote, { select });
      const bytes = readFileSync(pack);
      rmSync(pack);
      if (isCut) putPack(dirname(dirname(pack)), bytes.subarray(0, bytes.length >> 1));
      await fetch(world.open(), remote, { select });
    },
  };
};

const cloneElsewhere: Operation = (run) => {
  const { model, world, withoutBytes, chance } = run;
  if (withoutBytes || chance.below(3) !== 0) return undefined;
  return {
    words: 'dv push; git clone elsewhere; dv pull there',
    async do() {
      const remote = await world.openRemote();
      await push(world.open(), remote);
      const elsewhere = join(world.repo.outside, `clone-${++run.contents}`);
      await world.gitOk('clone', '--quiet', world.repo.root, elsewhere);
      const clone = openRepo({ cwd: elsewhere, env: world.repo.env });
      await fetch(clone, remote);
      await checkout(clone, { force: false, complete: true });
      for (const [path, listing] of model.head) {
        const found = readListing(join(elsewhere, path));
        const wrong = [...listing].filter(([file, content]) => found.get(file) !== content);
        if (wrong.length > 0 || found.size !== listing.size) throw new Error(`the clone’s ${path} differs`);
      }
      await world.repo.run('rm', ['-rf', elsewhere]);
    },
  };
};

/** Operations with how often they come. */
export const operations: readonly (readonly [Operation, number])[] = [
  [editFile, 10],
  [addFile, 10],
  [deleteFile, 4],
  [renameFile, 4],
  [addPath, 16],
  [commitBytes, 3],
  [gitCommit, 10],
  [newBranch, 4],
  [deleteBranch, 1],
  [checkoutBranch, 14],
  [mergeBranch, 8],
  [stash, 3],
  [popStash, 4],
  [move, 4],
  [remove, 4],
  [restorePath, 3],
  [checkoutAll, 3],
  [collect, 1],
  [pushAll, 2],
  [loseCache, 2],
  [losePack, 2],
  [cloneElsewhere, 1],
];
