import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** The picture of a screen. */
function picture(screen: string) {
  return spawnSync(process.execPath, ['scripts/terminal-picture.mjs', 'a <title>'], {
    input: screen,
    encoding: 'utf8',
  });
}

describe('the picture of a terminal', () => {
  it('puts every character in its cell, in its style, over the ends of lines', () => {
    const { stdout } = picture(
      'a \x1b[1;32m▲\x1b[0m\x1b[39m b\n \x1b[2m<&\nc\x1b[0m \x1b[7md\x1b[27;94me\n\n',
    );
    expect(stdout).toContain('<title>a &#60;title&#62;</title>');
    const rows = stdout.split('\n').slice(3, 6);
    expect(rows).toMatchInlineSnapshot(`
      [
        "<text x="18" y="51.5">a</text><text x="36" y="51.5" fill="#57d364" font-weight="bold">▲</text><text x="54" y="51.5">b</text>",
        "<text x="27 36" y="69.5" opacity=".6">&#60;&#38;</text>",
        "<text x="18" y="87.5" opacity=".6">c</text><rect x="36" y="74" width="9" height="18" fill="#d1d7e0"/><text x="36" y="87.5" fill="#151b23">d</text><text x="45" y="87.5" fill="#96d0ff">e</text>",
      ]
    `);
    expect(stdout).toContain('viewBox="0 0 81 110"');
  });
  it('fails on what it has no picture of, rather than draw something else', () => {
    for (const screen of ['\x1b[4munderlined', '\x1b[38;5;120mone of 256', '\x1b[2J']) {
      const { status, stdout, stderr } = picture(screen);
      expect(status).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('no picture of');
    }
  });
});
