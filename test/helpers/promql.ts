import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'

/** What a query is judged by. */
export interface Series {
  /** Labels of each series by its name, without those of the target that was scraped. */
  readonly labels: ReadonlyMap<string, readonly string[]>
  /** Labels that a target has, and with it each of its series. */
  readonly target: readonly string[]
}

export interface Matcher {
  metric: string
  label: string
  /** `=`, `!=`, `=~` or `!~`. */
  op: string
  value: string
}

export interface Judgement {
  /** Labels of what the query gives. */
  labels: Set<string>
  matchers: Matcher[]
  /** What does not parse, and names of metrics and labels that do not exist. */
  mistakes: string[]
}

/** Checks a PromQL query: its names, and at each place whether a label that it uses is still there. */
export function judge(query: string, series: Series): Judgement {
  const judge = new Judge(query, series)
  const labels = judge.labelsOf(parser.parse(query).topNode)
  return { labels, matchers: judge.matchers, mistakes: judge.mistakes }
}

/** Functions that change nothing about labels but the metric's name. */
const PLAIN = new Set(['rate', 'increase', 'changes', 'min_over_time', 'max_over_time', 'round'])
/** Aggregations that pass on whole series. */
const CHOOSING = new Set(['topk', 'bottomk'])

class Judge {
  readonly matchers: Matcher[] = []
  readonly mistakes: string[] = []

  constructor(
    readonly query: string,
    readonly series: Series,
  ) {}

  labelsOf(node: SyntaxNode): Set<string> {
    switch (node.name) {
      case 'PromQL':
      case 'ParenExpr':
      case 'MatrixSelector':
      case 'UnaryExpr':
        return this.#only(node)
      case 'NumberDurationLiteral':
      case 'StringLiteral':
        return new Set()
      case 'VectorSelector':
        return this.#selector(node)
      case 'BinaryExpr':
        return this.#binary(node)
      case 'AggregateExpr':
        return this.#aggregate(node)
      case 'FunctionCall':
        return this.#call(node)
      default:
        return this.#mistake(`${node.name} at "${this.#text(node)}" is not understood`)
    }
  }

  #only(node: SyntaxNode): Set<string> {
    const inner = childrenOf(node).filter(({ name }) => name !== 'DurationExpr')
    return inner.length === 1 ? this.labelsOf(inner[0]) : this.#mistake(`"${this.#text(node)}" does not parse`)
  }

  #selector(node: SyntaxNode): Set<string> {
    const metric = this.#text(node.getChild('Identifier') ?? node)
    const own = this.series.labels.get(metric)
    if (own === undefined) return this.#mistake(`there is no metric ${metric}`)
    const labels = new Set([...own, ...this.series.target])
    for (const matcher of node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
      const [label, op, value] = childrenOf(matcher).map((child) => this.#text(child))
      this.#use(label, labels, metric)
      this.matchers.push({ metric, label, op, value: value.slice(1, -1) })
    }
    return labels
  }

  /** Both sides have to agree about their labels, unless one is a number: otherwise nothing would match. */
  #binary(node: SyntaxNode): Set<string> {
    const sides = childrenOf(node).filter(({ name }) => /Expr$|Call$|Selector$|Literal$/.test(name))
    if (sides.length !== 2 || node.getChild('MatchingModifierClause')) {
      return this.#mistake(`"${this.#text(node)}" is not understood`)
    }
    const [left, right] = sides.map((side) => this.labelsOf(side))
    const numbers = sides.map((side) => isNumber(side))
    if (!numbers[0] && !numbers[1] && [...left].sort().join() !== [...right].sort().join()) {
      this.#mistake(
        `the sides of "${this.#text(node)}" have different labels: ${[...left].join()} and ${[...right].join()}`,
      )
    }
    return numbers[0] ? right : left
  }

  #aggregate(node: SyntaxNode): Set<string> {
    const inner = this.#argument(node)
    if (CHOOSING.has(this.#text(node.getChild('AggregateOp')!))) return inner
    const modifier = node.getChild('AggregateModifier')
    if (modifier === null) return new Set()
    const named = (modifier.getChild('GroupingLabels')?.getChildren('LabelName') ?? []).map((label) =>
      this.#text(label),
    )
    for (const label of named) this.#use(label, inner, this.#text(node))
    if (modifier.getChild('By')) return new Set(named)
    return new Set([...inner].filter((label) => !named.includes(label)))
  }

  #call(node: SyntaxNode): Set<string> {
    const name = this.#text(node.getChild('FunctionIdentifier')!)
    const inner = this.#argument(node)
    if (PLAIN.has(name)) return inner
    if (name !== 'histogram_quantile') return this.#mistake(`the function ${name} is not understood`)
    this.#use('le', inner, this.#text(node))
    return new Set([...inner].filter((label) => label !== 'le'))
  }

  /** Labels of the one argument that is not a number. */
  #argument(node: SyntaxNode): Set<string> {
    const all = childrenOf(node.getChild('FunctionCallBody')!).filter((child) => !isNumber(child))
    return all.length === 1 ? this.labelsOf(all[0]) : this.#mistake(`"${this.#text(node)}" does not parse`)
  }

  #use(label: string, labels: ReadonlySet<string>, where: string): void {
    if (!labels.has(label)) this.#mistake(`${where} has no label ${label}`)
  }

  #mistake(text: string): Set<string> {
    this.mistakes.push(text)
    return new Set()
  }

  #text({ from, to }: SyntaxNode): string {
    return this.query.slice(from, to)
  }
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = []
  for (let child = node.firstChild; child; child = child.nextSibling) children.push(child)
  return children
}

/** Whether an expression holds nothing but numbers. */
function isNumber(node: SyntaxNode): boolean {
  if (node.name === 'NumberDurationLiteral') return true
  if (node.name !== 'BinaryExpr' && node.name !== 'ParenExpr') return false
  return childrenOf(node).every((child) => !/Expr$|Call$|Selector$/.test(child.name) || isNumber(child))
}
