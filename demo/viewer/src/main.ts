/** Plugs the parts together; the only file that knows them all. */

import 'ol/ol.css';
import './style.css';
import './seeing.css';
import './similar.css';

import { acceptPanel } from './accept-panel';
import { Api, Problem } from './api';
import { Clicks } from './clicks';
import { Deeds } from './deeds';
import { byId, el, icon, icons } from './dom';
import { files } from './files';
import { flipY } from './geometry';
import { type Deed, keyboard, KEYS } from './keyboard';
import { AnnotationList } from './list';
import { complain, notifications } from './notifications';
import { Panel } from './panel';
import { attempt, picker } from './picker';
import { overview } from './overview';
import { PreviewLayer } from './preview-layer';
import { PreviewPanel } from './preview-panel';
import { reviewDialog } from './review-dialog';
import { ReviewMode } from './review-mode';
import { reviewPanel } from './review-panel';
import { parseRoute, type Place, routeText } from './route';
import { seeingPanel } from './seeing-panel';
import { Similar } from './similar';
import { SimilarMap } from './similar-map';
import { SimilarMode } from './similar-mode';
import { SimilarPanel } from './similar-panel';
import { SlideMap } from './slidemap';
import { statusLine } from './status';
import { drawSwitch } from './switch';
import { termsPanel } from './terms-panel';
import { theme } from './theme';
import { timingsPanel } from './timings';
import { toolbar } from './toolbar';
import { Tools } from './tools';
import { Workbench } from './workbench';

const bench = new Workbench(new Api());
const slides = new SlideMap(byId('map'), bench);
const panel = new Panel(bench, slides);
const tools = new Tools(slides, bench);
const previewPanel = new PreviewPanel(bench);
const layer = new PreviewLayer(slides, bench);
const similar = new Similar(bench, () => slides.view.calculateExtent(slides.map.getSize()));
const similarMode = new SimilarMode(bench, similar, tools);
const modes = [new ReviewMode(bench, slides), similarMode];
const deeds = new Deeds(bench, slides, tools, panel, previewPanel, layer, new Clicks(slides, tools, bench), modes);
const start = (deed: Deed): void => deeds.start(deed);

notifications(bench);
new AnnotationList(bench, slides);
seeingPanel(bench);
new SimilarMap(slides, bench, similar, tools);
new SimilarPanel(bench, similar, () => void similarMode.drawRegion());
acceptPanel(bench);
termsPanel(bench);
reviewPanel(bench);
reviewDialog(bench);
timingsPanel(bench);
statusLine(bench, slides);
picker(bench);
files(bench);
overview(bench, slides);
theme();
drawSwitch();
toolbar(bench, tools, start);
header();
help();
keyboard(start, (deed) => deeds.end(deed), (deed, event) => deeds.isWanted(deed, event));
void begin();

async function begin(): Promise<void> {
  try {
    await bench.start(localStorage.getItem('user'));
    fillUsers();
    byId('warning').textContent = bench.about.warning;
    byId('warning').hidden = !bench.about.warning;
    await follow();
    await bench.review.resume();
    document.body.classList.add('ready');
    addEventListener('hashchange', () => void attempt(follow));
    slides.map.on('moveend', remember);
    bench.on('change', remember);
    remember();
  } catch (error) {
    complain(error instanceof Problem ? error : new Problem('The viewer cannot start', String(error)));
    throw error;
  }
}

/** Go where the address says, else to the first slide. */
async function follow(): Promise<void> {
  const route = parseRoute(location.hash);
  const image = route?.image ?? bench.about.image;
  const isKnown = !route?.annotation || bench.annotations.has(route.annotation);
  if (bench.image?.id !== image || !isKnown) await bench.open(image);
  if (!route) return;
  bench.select(route.annotation);
  const { place } = route;
  if (place) goTo(place);
  else panel.center();
}

function goTo({ x, y, resolution }: Place): void {
  slides.view.setResolution(resolution);
  slides.view.setCenter(flipY([x, y], bench.image!.height));
}

/** Keep the address in line with what is seen, so that it can be kept and sent. */
function remember(): void {
  const { image, selected } = bench;
  const [centre, resolution] = [slides.view.getCenter(), slides.view.getResolution()];
  if (!image || !centre || !resolution) return;
  const [x = 0, y = 0] = flipY(centre, image.height);
  const place = { x, y, resolution };
  history.replaceState(null, '', routeText({ project: image.project, image: image.id, annotation: selected && selected.id > 0 ? selected.id : null, place }));
}

function header(): void {
  const decorate: Record<string, string> = {
    'slides-button': icons.slides,
    'files-button': icons.download,
    'theme-button': icons.theme,
    'help-button': icons.help,
    'zoom-in': icons.plus,
    'zoom-out': icons.minus,
    'zoom-fit': icons.fit,
  };
  for (const [id, drawing] of Object.entries(decorate)) byId(id).prepend(icon(drawing));
  byId('zoom-in').addEventListener('click', () => slides.zoom(2));
  byId('zoom-out').addEventListener('click', () => slides.zoom(0.5));
  byId('zoom-fit').addEventListener('click', () => slides.fit());
  byId('try-one').addEventListener('click', tryOne);
  bench.on('slide', (image) => {
    byId('slide-name').textContent = image.instanceFilename;
    document.title = `${image.instanceFilename} · Refine demo`;
    tools.use(tools.tool);
  });
  bench.on('change', () => (byId('try-one').hidden = !loose().length));
}

function fillUsers(): void {
  const choice = byId<HTMLSelectElement>('user');
  choice.replaceChildren(...bench.about.users.map((user) => el('option', { value: user.username }, user.username)));
  choice.value = bench.user.username;
  choice.addEventListener('change', () => {
    const user = bench.about.users.find((each) => each.username === choice.value)!;
    localStorage.setItem('user', user.username);
    if (!choice.matches(':focus-visible')) choice.blur(); // whoever chose with the mouse goes on with other keys
    void attempt(() => bench.enter(user));
  });
}

/** The demo's loose shapes that nobody has touched yet. */
function loose(): number[] {
  const isNew = (id: number): boolean => {
    const it = bench.annotations.get(id);
    return it !== undefined && Number(it.updated) === Number(it.created);
  };
  return bench.about?.annotations.filter(isNew) ?? [];
}

function tryOne(): void {
  const some = loose();
  const id = some[Math.floor(some.length / 2)];
  if (id === undefined) return;
  bench.select(id);
  panel.center();
  byId('refine').focus();
}

function help(): void {
  byId('keys').replaceChildren(
    ...KEYS.map(([keys, , text]) =>
      el('div', {}, el('dt', {}, ...keys.split(' ').map((key) => el('kbd', {}, key))), el('dd', {}, text)),
    ),
  );
  byId('help-button').addEventListener('click', () => start('help'));
}
