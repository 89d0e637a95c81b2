import tseslint from 'typescript-eslint'

const BROWSER = ['document', 'localStorage', 'setTimeout', 'clearTimeout', 'EventSource', 'ResizeObserver']
const WRITE_HTML = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'setHTMLUnsafe', 'write', 'writeln']

export default tseslint.config(
  { ignores: ['dist/', '.cache/', 'src/commands/generated.ts', '**/node_modules/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**'],
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
    },
  },
  // Tests and tools print, and node:test returns promises that nobody awaits at top level.
  {
    files: ['test/**'],
    rules: { 'no-console': 'off', '@typescript-eslint/no-floating-promises': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  // What runs in the browser: no compiler looks at it, and text of applications must never become HTML.
  {
    files: ['src/admin/page/*.js'],
    languageOptions: { globals: Object.fromEntries(BROWSER.map((name) => [name, 'readonly'])) },
    rules: {
      'no-undef': 'error',
      'no-restricted-properties': ['error', ...WRITE_HTML.map((property) => ({ property }))],
    },
  },
)
