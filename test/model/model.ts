/**
 * What the files of every branch must be, in memory: the smallest thing that says what dv and git together are to do.
 * Nothing here knows how they do it.
 */

/** Files of one tracked path: path below it (`''` when it is a file itself) → content. */
export type Listing = ReadonlyMap<string, string>;
/** Tracked path → what is recorded of it. */
export type Pointers = ReadonlyMap<string, Listing>;

const nothing: Listing = new Map();

/** Whether two listings say the same. */
export function sameListing(a: Listing | undefined, b: Listing | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && [...a].every(([path, content]) => b.get(path) === content);
}

/** Whether the same paths are recorded with the same content. */
export function samePointers(a: Pointers, b: Pointers): boolean {
  return a.size === b.size && [...a].every(([path, listing]) => sameListing(listing, b.get(path)));
}

/** Three versions of something with equality, merged; `conflict` when both sides changed it differently. */
function mergeThree<Value>(
  versions: { base: Value; ours: Value; theirs: Value },
  same: (a: Value, b: Value) => boolean,
  conflict: () => Value | 'conflict',
): Value | 'conflict' {
  const { base, ours, theirs } = versions;
  if (same(ours, theirs) || same(base, theirs)) return ours;
  return same(base, ours) ? theirs : conflict();
}

/** Merges what two sides recorded; a path both changed is merged file by file. */
export function mergePointers(base: Pointers, ours: Pointers, theirs: Pointers): Pointers | 'conflict' {
  const merged = new Map<string, Listing>();
  for (const path of new Set([...base.keys(), ...ours.keys(), ...theirs.keys()])) {
    const versions = { base: base.get(path), ours: ours.get(path), theirs: theirs.get(path) };
    const result = mergeThree<Listing | undefined>(versions, sameListing, () => mergeFiles(versions));
    if (result === 'conflict') return 'conflict';
    if (result !== undefined) merged.set(path, result);
  }
  return merged;
}

function mergeFiles(versions: {
  base: Listing | undefined;
  ours: Listing | undefined;
  theirs: Listing | undefined;
}): Listing | 'conflict' {
  const { base = nothing, ours, theirs } = versions;
  if (ours === undefined || theirs === undefined) return 'conflict';
  const merged = new Map<string, string>();
  for (const file of new Set([...base.keys(), ...ours.keys(), ...theirs.keys()])) {
    const content = mergeThree<string | undefined>(
      { base: base.get(file), ours: ours.get(file), theirs: theirs.get(file) },
      Object.is,
      () => 'conflict',
    );
    if (content === 'conflict') return 'conflict';
    if (content !== undefined) merged.set(file, content);
  }
  return merged;
}

/** One repository with its workspace. */
export class Model {
  /** What lies in the workspace at names that are or may be tracked. */
  readonly files = new Map<string, Map<string, string>>();
  /** The pointers in the workspace; git's index has the same. */
  pointers = new Map<string, Listing>();
  /** What dv last recorded at a path or put there. */
  readonly placed = new Map<string, Listing>();
  /** Contents that are in the cache. */
  readonly stored = new Set<string>();
  /** Commit → what it records. */
  readonly commits = new Map<string, Pointers>();
  /** Branch → commit. */
  readonly branches = new Map<string, string>();
  branch = 'main';
  stash: { readonly base: Pointers; readonly pointers: Pointers } | undefined;

  get head(): Pointers {
    return this.commits.get(this.branches.get(this.branch)!)!;
  }

  /** Whether nothing is to be committed. */
  get isCommitted(): boolean {
    return samePointers(this.pointers, this.head);
  }

  /** Whether the workspace is as recorded and committed. */
  get isClean(): boolean {
    return (
      this.isCommitted &&
      [...this.files].every(
        ([path, files]) => files.size === 0 || sameListing(files, this.pointers.get(path)),
      ) &&
      [...this.pointers].every(([path, listing]) => sameListing(this.files.get(path), listing))
    );
  }

  /** The files at a path, to be changed. */
  at(path: string): Map<string, string> {
    let files = this.files.get(path);
    if (files === undefined) {
      files = new Map();
      this.files.set(path, files);
    }
    return files;
  }

  /** A new commit on the current branch. */
  commit(id: string, pointers: Pointers = this.pointers): void {
    this.commits.set(id, new Map(pointers));
    this.branches.set(this.branch, id);
  }

  /** `dv add`, with or without bytes. */
  add(path: string, store = true): void {
    const listing = new Map(this.at(path));
    this.pointers.set(path, listing);
    this.placed.set(path, listing);
    if (store) for (const content of listing.values()) this.stored.add(content);
  }

  /** The files at a path that neither the pointer nor dv's last look records. */
  unrecorded(path: string): string[] {
    return [...this.at(path)].flatMap(([file, content]) =>
      [this.pointers.get(path), this.placed.get(path)].some((known) => known?.get(file) === content)
        ? []
        : [file],
    );
  }

  /** `dv rm`. */
  remove(path: string, cached: boolean): void {
    if (!cached) {
      for (const content of this.at(path).values()) this.stored.add(content);
      this.files.delete(path);
    }
    this.pointers.delete(path);
    this.placed.delete(path);
  }

  /** `dv mv`. */
  move(from: string, to: string): void {
    this.pointers.set(to, this.pointers.get(from)!);
    this.pointers.delete(from);
    const files = this.files.get(from);
    if (files !== undefined) this.files.set(to, files);
    this.files.delete(from);
    const placed = this.placed.get(from);
    if (placed === undefined) this.placed.delete(to);
    else this.placed.set(to, placed);
    this.placed.delete(from);
  }

  /** git put other pointers into the workspace. @returns what they are when it carried changes over to `target`. */
  carriedOver(target: Pointers): Map<string, Listing> {
    const { head } = this;
    const after = new Map<string, Listing>();
    for (const path of new Set([...this.pointers.keys(), ...head.keys(), ...target.keys()])) {
      const changed = !sameListing(this.pointers.get(path), head.get(path));
      const listing = changed ? this.pointers.get(path) : target.get(path);
      if (listing !== undefined) after.set(path, listing);
    }
    return after;
  }

  /**
   * The workspace follows the pointers. A file that is as dv put it there becomes what it should be now, any other is
   * the user's own and stays.
   * @param complete as `dv checkout`: files the user deleted come back, everywhere.
   */
  follow(options: { complete: boolean; force?: boolean; only?: string }): void {
    for (const path of new Set([...this.placed.keys(), ...this.pointers.keys()])) {
      if (options.only === undefined || options.only === path) this.followOne(path, options);
    }
  }

  private followOne(path: string, { complete, force = false }: { complete: boolean; force?: boolean }): void {
    const before = this.placed.get(path);
    const after = this.pointers.get(path);
    if (!complete && sameListing(before, after)) return;
    const files = this.at(path);
    const writes = new Map<string, string | undefined>();
    for (const file of new Set([...(before ?? nothing).keys(), ...(after ?? nothing).keys()])) {
      const [was, wanted, now] = [before?.get(file), after?.get(file), files.get(file)];
      if ((!complete && was === wanted) || now === wanted) continue;
      if (now === undefined || now === was || force) writes.set(file, wanted);
      // What goes is kept in the cache.
      if (now !== undefined && (now === was || force)) this.stored.add(now);
    }
    if ([...writes.values()].some((content) => content !== undefined && !this.stored.has(content))) return;
    for (const [file, content] of writes) {
      if (content === undefined) files.delete(file);
      else files.set(file, content);
    }
    if (after === undefined) this.placed.delete(path);
    else this.placed.set(path, after);
  }
}
