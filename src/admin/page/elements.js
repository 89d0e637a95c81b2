// Makes and fills elements. Text only ever goes in as text, so that nothing an application sends can become HTML.

const SVG = 'http://www.w3.org/2000/svg'

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

export function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children)
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

/** Changes nothing if nothing has changed, so that a selection survives and screen readers stay quiet. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}
