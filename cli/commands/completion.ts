import { DvError } from '../../core/errors.ts';
import { defineCommand } from '../command.ts';

const bash = `# dv for bash: put  eval "$(dv completion bash)"  into ~/.bashrc
_dv_words() {
  COMPREPLY=()
  local word="\${COMP_WORDS[COMP_CWORD]}" name="" i
  for ((i = \${1:-1}; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      -C|-j|--jobs) i=$((i + 1)) ;;
      -*) ;;
      *) name="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  if [ -z "$name" ] || [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "$(dv help --words $name 2>/dev/null)" -- "$word"))
  fi
  # Files where no word fits; bash does that itself with -o default.
}
_dv() { _dv_words 1; }
# git's own completion calls this for \`git dv\`.
_git_dv() { _dv_words 2; }
complete -o default -o bashdefault -F _dv dv git-dv
`;

const zsh = `#compdef dv git-dv
# dv for zsh: put  eval "$(dv completion zsh)"  into ~/.zshrc, behind compinit
_dv() {
  local name="" i
  for ((i = 2; i < CURRENT; i++)); do
    case "\${words[i]}" in
      -C|-j|--jobs) ((i++)) ;;
      -*) ;;
      *) name="\${words[i]}"; break ;;
    esac
  done
  if [[ -z "$name" || "\${words[CURRENT]}" == -* ]]; then
    compadd -- \${(f)"$(dv help --words $name 2>/dev/null)"}
  else
    _files
  fi
}
compdef _dv dv git-dv
`;

export const command = defineCommand<{ shell: string | undefined }>({
  usage: 'completion [shell]',
  summary: 'print a script that completes commands and options in bash or zsh',
  examples: [
    ['eval "$(dv completion bash)"', 'for ~/.bashrc'],
    ['eval "$(dv completion zsh)"', 'for ~/.zshrc'],
  ],
  exits: [],
  options: (yargs) => yargs.positional('shell', { describe: 'bash or zsh', type: 'string' }),
  async run({ shell }) {
    const script = { bash, zsh }[shell ?? ''];
    if (script === undefined) {
      throw new DvError('usage', {
        message: shell === undefined ? 'for which shell?' : `there is no completion for ${shell}`,
        hint: 'dv completion bash, or dv completion zsh',
      });
    }
    return { value: { shell, script }, text: script.trimEnd() };
  },
});
