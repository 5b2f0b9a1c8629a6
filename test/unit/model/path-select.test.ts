import { expect, test } from 'vitest';
import { pathPattern } from '../../../core/model/path-select.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';

const known = ['data/train', 'data/val', 'models/a[1].bin', 'raw'];
const of = (text: string) =>
  pathPattern(text as RepoPath, (path) => known.some((each) => each === path || each.startsWith(`${path}/`)));
const selected = (text: string) => known.filter((path) => of(text).selects(path));

test('a path selects itself and what is below', () => {
  expect(selected('data/train')).toEqual(['data/train']);
  expect(selected('data')).toEqual(['data/train', 'data/val']);
  expect(selected('dat')).toEqual([]);
});

test('a pattern selects what it matches, and what lies below that', () => {
  expect(selected('data/*')).toEqual(['data/train', 'data/val']);
  expect(selected('da*')).toEqual(['data/train', 'data/val']);
  expect(selected('*/val')).toEqual(['data/val']);
  expect(selected('*val')).toEqual([]);
  expect(selected('**/val')).toEqual(['data/val']);
  expect(selected('data/t[a-z]ain')).toEqual(['data/train']);
});

test('a name with special characters that is there means itself', () => {
  expect(selected('models/a[1].bin')).toEqual(['models/a[1].bin']);
});

test('it is known without a listing where something could be inside', () => {
  expect(of('data/train/cats').mayReachInto('data/train')).toBe(true);
  expect(of('data/train/cats').mayReachInto('data/val')).toBe(false);
  expect(of('data/*/cats').mayReachInto('data/val')).toBe(true);
  expect(of('data/*/cats').mayReachInto('raw')).toBe(false);
  expect(of('data/train/c*').mayReachInto('data/train')).toBe(true);
  expect(of('**/cats').mayReachInto('raw')).toBe(true);
});
