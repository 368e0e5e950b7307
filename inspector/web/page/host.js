// What the page does for the window. The worker imports this as well, so nothing here runs before it is called.

/** Set by main.js. */
export const page = { worker: undefined, mirror: undefined, act: () => {}, chooseFile: () => {}, addressed: () => {} };

export function post(request) {
    const copy = request.slice();
    page.worker.postMessage({ request: copy }, [copy.buffer]);
}

export function openDialog() {
    page.chooseFile();
}

const RECENT = 'vecdelta.recent.1';

export function recent() {
    try {
        return localStorage.getItem(RECENT) ?? '[]';
    } catch {
        return '[]';
    }
}

export function keepRecent(urls) {
    try {
        localStorage.setItem(RECENT, urls);
    } catch {
        // Without a place to keep it, the list is empty the next time.
    }
}

export function showAddress(place, link) {
    page.addressed(place, link);
}

let pieces = [];

/** Gathers the pieces of a file; with the last one it becomes a download. */
export function save(name, bytes, first, last) {
    if (first) pieces = [];
    if (bytes.length > 0) pieces.push(bytes.slice());
    if (!last) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(pieces, { type: 'text/csv' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    pieces = [];
}

const elements = new Map();

/** Mirrors the nodes as elements without a look of their own, in their order and at their place. */
export function showNodes(text) {
    if (!page.mirror) return;
    const seen = new Set();
    let before = null;
    for (const [id, role, name, value, [x, y, width, height], disabled, selected, pressed, number, focused] of JSON.parse(text)) {
        seen.add(id);
        let element = elements.get(id);
        if (!element) {
            element = document.createElement(role === 'text' ? 'span' : 'div');
            element.id = `n${id}`;
            element.addEventListener('click', (event) => { event.stopPropagation(); page.act(id, 'click'); });
            elements.set(id, element);
        }
        set(element, 'role', role === 'text' ? null : role);
        if (role === 'text') {
            if (element.textContent !== name) element.textContent = name;
        } else {
            set(element, 'aria-label', name || null);
            const shown = role === 'textbox' ? value ?? '' : '';
            if (element.textContent !== shown) element.textContent = shown;
        }
        set(element, 'aria-valuetext', value && role !== 'textbox' ? value : null);
        set(element, 'aria-valuenow', number);
        set(element, 'aria-disabled', disabled || null);
        set(element, 'aria-selected', selected);
        set(element, role === 'button' ? 'aria-pressed' : 'aria-checked', pressed);
        const style = `left:${x}px;top:${y}px;width:${width}px;height:${height}px`;
        if (element.style.cssText !== style) element.setAttribute('style', style);
        if (element.parentNode === null || element.previousSibling !== before) {
            page.mirror.insertBefore(element, before ? before.nextSibling : page.mirror.firstChild);
        }
        before = element;
        if (focused) page.canvas?.setAttribute('aria-activedescendant', element.id);
    }
    for (const [id, element] of elements) {
        if (!seen.has(id)) {
            element.remove();
            elements.delete(id);
        }
    }
}

function set(element, name, value) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}
