// `toril record` runs this function in every document before the document's own scripts. It reports request bodies
// that a HAR lacks, reports the actions of a person, and shows a bar that names steps. It leaves no global name.
(options) => {
  const report = globalThis[options.binding];
  if (!delete globalThis[options.binding] || !report) return;
  const now = Date.now, tell = (kind, message) => report({kind, at: now(), ...message}).catch(() => {});
  const quietly = (look) => { try { look(); } catch { /* the application continues as without a recorder */ } };
  const host = document.createElement('toril-recorder');
  const listen = (name, look) => addEventListener(name, (event) => {
    if (event.target !== host) quietly(() => look(event, event.composedPath()[0]));
  }, {capture: true, passive: true});

  // Bodies. Files are read as soon as a person chooses them, because a form's submit may end the document.
  const frame = [...crypto.getRandomValues(new Uint32Array(2))].join('-'), keys = new WeakMap();
  let files = 0;
  const keyOf = (blob) => {
    if (!keys.has(blob)) {
      const key = `${frame}-${++files}`, reader = new FileReader();
      keys.set(blob, key);
      reader.onloadend = () => tell('file', {key, data: reader.result});
      if (blob.size > options.largest) tell('file', {key, data: null});
      else reader.readAsDataURL(blob);
    }
    return keys.get(blob);
  };
  const partOf = (name, value) => typeof value === 'string'
    ? {name, value} : {name, file: value.name ?? '', type: value.type, key: keyOf(value)};
  const sent = (method, address, body) => {
    const form = body instanceof FormData;
    if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) body = new Blob([body]);
    if (!form && !(body instanceof Blob)) return;
    const parts = form ? [...body].map(([name, value]) => partOf(name, value)) : [partOf('', body)];
    tell('body', {method: method.toUpperCase(), url: new URL(address, document.baseURI).href, form, parts});
  };
  const before = (owner, name, look, after) => {
    owner[name] = new Proxy(owner[name], {apply(target, self, given) {
      quietly(() => look?.(self, given));
      const result = Reflect.apply(target, self, given);
      quietly(() => after?.(result, self, given));
      return result;
    }});
  };
  // Of a response after which a script opens another page, such as that of what it has made, the HAR has no content.
  // The text that the application itself reads is there in time; that of a clone is not.
  const answered = (method, address, read) => {
    if (/^(get|head)$/i.test(method)) return;
    Promise.resolve(read).then((text) => text.length <= options.page
      && tell('answer', {method: method.toUpperCase(), url: new URL(address, document.baseURI).href, text})).catch(() => {});
  };
  const textOf = (value) => typeof value === 'string' ? value : JSON.stringify(value);
  const asked = ([resource, init]) => {
    const request = resource instanceof Request ? resource : null;
    return [request, init?.method ?? request?.method ?? 'GET', request?.url ?? resource];
  };
  const answers = new WeakMap();
  for (const name of ['json', 'text']) before(Response.prototype, name, null, (result, self) => {
    if (answers.has(self)) answered(...answers.get(self), result.then(textOf));
  });
  before(globalThis, 'fetch', (_, given) => {
    const [request, method, address] = asked(given), body = given[1]?.body;
    if (body) return sent(method, address, body);
    const type = request?.headers.get('Content-Type') ?? '';
    if (!request?.body || /^text\/plain|urlencoded|json/.test(type)) return;
    const copy = request.clone();
    (type.startsWith('multipart/') ? copy.formData() : copy.blob())
      .then((body) => sent(method, address, body)).catch(() => {});
  }, (result, _, given) => {
    const [, ...of] = asked(given);
    result.then((answer) => answers.set(answer, of)).catch(() => {});
  });
  const opened = new WeakMap();
  before(XMLHttpRequest.prototype, 'open', (self, given) => opened.set(self, given));
  before(XMLHttpRequest.prototype, 'send', (self, [body]) => {
    const [method, address] = opened.get(self);
    self.addEventListener('load', () => quietly(() => answered(method, address,
      self.responseType === 'json' ? textOf(self.response) : new Response(self.response).text())));
    sent(method, address, body);
  });
  let submitter = null;
  listen('submit', (event) => { submitter = event.submitter; });
  addEventListener('formdata', (event) => quietly(() => { // bubbles, so that the application has changed the data
    const form = event.target, own = submitter?.form === form ? submitter : null;
    const given = (name) => own?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? '';
    const multipart = `${given('method')} ${given('enctype')}`.toLowerCase() === 'post multipart/form-data';
    if (multipart) sent('POST', given('action') || document.URL, event.formData);
  }));
  // Of a page that a script leaves at once, such as a form that submits itself, Chromium's HAR has no content.
  const shown = () => quietly(() => {
    const text = document.documentElement.outerHTML;
    if (text.length <= options.page) tell('html', {url: document.URL, text});
  });
  for (const name of ['DOMContentLoaded', 'formdata', 'pagehide']) addEventListener(name, shown);
  listen('change', (_, one) => { for (const file of one.files ?? []) keyOf(file); });

  // Actions, each with the first locator that finds its element alone, by Playwright's rules.
  const tidy = (text) => {
    const words = (text ?? '').trim().replace(/\s+/g, ' ');
    return words.length > 80 ? '' : words;
  };
  const texts = (ids) => (ids ?? '').split(' ').map((id) => document.getElementById(id)?.textContent).join(' ');
  const labelOf = (one) => tidy(texts(one.getAttribute('aria-labelledby'))) || tidy(one.getAttribute('aria-label'))
    || tidy(one.labels?.[0]?.textContent);
  const buttons = '[type=submit], [type=button], [type=reset], [type=image]', ticked = '[type=checkbox], [type=radio]';
  const roleOf = (one) => one.getAttribute('role')
    ?? (one.matches('a[href]') ? 'link' : one.matches(`button, summary, ${buttons}`) ? 'button'
      : one.matches(ticked) ? one.type : '');
  const nameOf = (one) => labelOf(one) || tidy(one.alt) || tidy(one.matches('input') ? one.value : one.textContent)
    || tidy(one.querySelector('img[alt]')?.alt) || tidy(one.title);
  const alone = (one, selector, value) => {
    const found = [...document.querySelectorAll(selector)].filter((other) => other.checkVisibility());
    return found.filter((other) => value(other) === value(one)).length === 1;
  };
  const path = (one) => {
    if (one === document.body || !one.parentElement) return one.localName;
    const alike = [...one.parentElement.children].filter((other) => other.localName === one.localName);
    const place = alike.length > 1 ? `:nth-of-type(${alike.indexOf(one) + 1})` : '';
    return `${path(one.parentElement)} > ${one.localName}${place}`;
  };
  const locatorOf = (one) => {
    const role = roleOf(one), attribute = (name) => (other) => other.getAttribute(name);
    const leaf = (other) => other.children.length ? '' : tidy(other.textContent);
    const usable = /^[A-Za-z][\w-]*$/.test(one.id) && !/\d{3}/.test(one.id);
    const ways = [
      ['test_id', one.dataset?.testid, '[data-testid]', attribute('data-testid')],
      ['role', role && nameOf(one) && [role, nameOf(one)], 'a, button, input, summary, [role]',
        (other) => `${roleOf(other)} ${nameOf(other)}`],
      ['label', !role && labelOf(one), 'input, select, textarea', labelOf],
      ['placeholder', tidy(one.placeholder), '[placeholder]', attribute('placeholder')],
      ['css', usable && `#${one.id}`, '[id]', attribute('id')],
      ['text', leaf(one), 'body *', leaf],
    ];
    const found = ways.find(([, value, selector, key]) => value && alone(one, selector, key));
    return found ? found.slice(0, 2) : ['css', path(one)];
  };
  const act = (what, one, value = '') =>
    tell('action', {what, value, locator: locatorOf(one), secret: one.type === 'password'});
  const typed = (one) => one.matches(`textarea, input:not([type=file], ${ticked}, ${buttons})`);
  const filled = new WeakMap();
  const fill = (one) => {
    if (filled.get(one) !== one.value) act('fill', one, one.type === 'password' ? '' : one.value);
    filled.set(one, one.value);
  };
  if (options.person && window === top) {
    if (document.URL !== 'about:blank') tell('page', {url: document.URL, from: document.referrer});
    listen('click', (event, origin) => {
      const one = origin.closest('a[href], button, summary, input, select, textarea, label, [role]') ?? origin;
      const changes = one.control || typed(one) || one.matches(`select, ${ticked}, [type=file]`); // a change follows
      const byEnter = event.detail === 0 && typed(document.activeElement); // the default button's
      if (event.isTrusted && !changes && !byEnter) act('click', one);
    });
    listen('change', (event, one) => {
      if (typed(one)) fill(one);
      else if (one.matches('select')) act('select', one, [...one.selectedOptions].map((option) => option.value));
      else if (one.matches('[type=file]')) act('upload', one, [...one.files].map((file) => [keyOf(file), file.name]));
      else if (one.matches(ticked)) act(one.checked ? 'check' : 'uncheck', one);
    });
    listen('keydown', (event, one) => {
      if (event.key !== 'Enter' || !one.matches('input') || !typed(one)) return;
      fill(one);
      act('press', one, 'Enter');
    });
  }

  // The bar. Its shadow root is closed, and a constructed style sheet needs no permission of the page's policy.
  if (!options.person || window !== top || !(host instanceof HTMLElement)) return;
  const root = host.attachShadow({mode: 'closed'}), sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; display: block !important; position: fixed !important; inset: auto 0 0 !important;
      z-index: 2147483647 !important }
    :host([up]) { inset: 0 0 auto !important }
    div { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 6px 12px; color: #fff;
      background: #1c1c1e; border: solid #8e8e93; border-width: 1px 0; font: 14px/1.4 system-ui, sans-serif }
    button, input { font: inherit; color: inherit; background: #3a3a3c; border: 1px solid #8e8e93; border-radius: 4px;
      padding: 3px 10px }
    button:disabled { opacity: .5 }
    button:last-child { margin-left: auto; color: #1c1c1e; background: #fff }
    :focus-visible { outline: 2px solid #fff; outline-offset: 2px }
    @media print { :host { display: none !important } }`);
  root.adoptedStyleSheets = [sheet];
  const made = (name, properties, ...children) => {
    const one = Object.assign(document.createElement(name), properties);
    one.append(...children);
    return one;
  };
  const input = made('input', {size: 24, maxLength: 60}), state = made('output');
  const show = (found) => {
    if (!found) return;
    [input.value, state.textContent] = [found.name, `Step ${found.count}`];
    host.toggleAttribute('up', found.up);
    undo.disabled = found.count === 1;
  };
  const ask = async (kind, message) => show(await tell(kind, message));
  const button = (text, title, run) => made('button', {
    type: 'button', textContent: text, title, onclick: run, onmousedown: (event) => event.preventDefault()});
  const undo = button('Undo', 'Join this step with the one before', () => ask('undo'));
  const begin = () => {
    if (typed(document.activeElement)) fill(document.activeElement); // belongs to the step before
    ask('step');
  };
  const next = button('Next step', 'Alt+N', begin);
  next.setAttribute('aria-keyshortcuts', 'Alt+N');
  input.oninput = () => tell('rename', {name: input.value});
  const bar = made('div', {}, state, made('label', {}, 'Name ', input), next, undo,
    button('Move', 'Show the bar at the other edge of the page', () => ask('move')),
    button('Done', 'End the recording and write the suite', () => tell('done')));
  bar.setAttribute('role', 'region');
  bar.setAttribute('aria-label', 'Recording by toril');
  root.append(bar);
  const own = 'click dblclick pointerdown pointerup mousedown mouseup touchstart touchend keydown keypress keyup '
    + 'beforeinput input focusin focusout copy cut paste contextmenu'; // none of the application's business
  for (const name of own.split(' ')) bar.addEventListener(name, (event) => event.stopPropagation());
  addEventListener('keydown', (event) => {
    if (!event.altKey || event.code !== 'KeyN') return;
    event.preventDefault();
    event.stopImmediatePropagation();
    begin();
  }, true);
  const attach = () => { if (!host.isConnected) document.documentElement?.append(host); };
  addEventListener('DOMContentLoaded', () => {
    attach();
    ask('state');
    new MutationObserver(attach).observe(document.documentElement, {childList: true}); // a framework may replace all
  });
  addEventListener('focus', () => ask('state'));
}
