/** The shell text git runs, and how it recognises what it was written from. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { hookEvents } from '../../../hooks/events.ts';
import { isShim, shellOf, shimText } from '../../../hooks/shim.ts';

const launcher = { node: "/opt/it's node/bin/node", main: '/opt/$HOME `x`/main.js' };

describe('a shim', () => {
  test('of pre-push, as sh reads it', () => {
    expect(
      shimText('pre-push', { launcher: { node: '/usr/bin/node', main: '/opt/dv/main.js' } }),
    ).toMatchInlineSnapshot(`
      "#!/bin/sh
      # dv-hook 2: written by \`dv init\`, taken away by \`dv hook uninstall\`.
      # A hook that was here before is kept in pre-push.before-dv, and runs first.
      kept="\${0%/*}/pre-push.before-dv"
      status=0
      refs=$(cat)
      feed() { [ -z "$refs" ] || printf '%s\\n' "$refs"; }
      if [ -x "$kept" ]; then
        feed | "$kept" "$@"
        status=$?; [ "$status" -eq 0 ] || exit "$status"
      fi
      run() {
        node='/usr/bin/node' main='/opt/dv/main.js'
        if [ -x "$node" ] && [ -f "$main" ]; then "$node" "$main" hook pre-push "$@"; return; fi
        for dv in git-dv dv; do
          if command -v "$dv" >/dev/null 2>&1; then "$dv" hook pre-push "$@"; return; fi
        done
        git ls-files --error-unmatch -- '*.dv' >/dev/null 2>&1 || return 0
        case "$(git config dv.hooks.pre-push || git config --file .dvconfig dv.hooks.pre-push)" in off|false|no|0) return 0;; esac
        echo 'dv: not found, so the data cannot be pushed before its pointers: npm install -g git-dv, or git config dv.hooks.pre-push off' >&2
        return 1
      }
      feed | run "$@"
      result=$?
      exit "$result"
      "
    `);
  });

  test.each(hookEvents)('of %s is valid sh and known as ours', (event) => {
    for (const options of [{}, { launcher }, { launcher, keptShell: "'/usr/bin/env' 'bash'" }]) {
      const text = shimText(event, options);
      expect(isShim(text)).toBe(true);
      expect(spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({
        status: 0,
        stderr: '',
      });
    }
  });

  test('quotes the paths it was given', () => {
    const line = shimText('post-merge', { launcher })
      .split('\n')
      .find((text) => text.includes('main='));
    const echoed = spawnSync('sh', ['-c', `${line}; printf '%s|%s' "$node" "$main"`], { encoding: 'utf8' });
    expect(echoed.stdout).toBe(`${launcher.node}|${launcher.main}`);
  });
});

test.each([
  ['#!/bin/sh\necho a hook that mentions # dv-hook 1\n', false],
  ['#!/bin/sh\n# dv-hook 99: of a newer dv\n', true],
  ['#!/bin/sh\n# dv-hooked by somebody else\n', false],
  ['', false],
])('%j is ours: %s', (text, ours) => {
  expect(isShim(text)).toBe(ours);
});

test.each([
  ['#!/bin/sh\n', "'/bin/sh'"],
  ['#!/bin/sh -e\n', "'/bin/sh' '-e'"],
  ['#! /usr/bin/env bash\r\n', "'/usr/bin/env' 'bash'"],
  ['#!/usr/bin/env -S bash -eu\n', "'/usr/bin/env' '-S' 'bash' '-eu'"],
  ['#!/usr/local/bin/dash', "'/usr/local/bin/dash'"],
  ['echo without a first line\n', '/bin/sh'],
  ['#!/usr/bin/env python3\n', undefined],
  ['#!/usr/bin/perl -w\n', undefined],
  ['#!/bin/zsh\n', undefined],
  ['#!/usr/bin/env\n', undefined],
  ['\x7fELF\0\0', undefined],
])('the shell of %j is %s', (head, shell) => {
  expect(shellOf(Buffer.from(head, 'latin1'))).toBe(shell);
});
