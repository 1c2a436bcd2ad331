/** Addresses as Cytomine has them, with the place that is looked at: `#/project/1/image/2/annotation/3@x,y,resolution`. */

export interface Place {
  /** Of the middle of the view, in the slide frame: level-0 pixels, y down. */
  x: number;
  y: number;
  /** Level-0 pixels per pixel of the screen. */
  resolution: number;
}

export interface Route {
  project: number;
  image: number;
  annotation: number | null;
  place: Place | null;
}

const PATTERN = /^#\/project\/(\d+)\/image\/(\d+)(?:\/annotation\/(\d+))?(?:@(-?[\d.]+),(-?[\d.]+),([\d.]+))?$/;

export function parseRoute(hash: string): Route | null {
  const found = PATTERN.exec(hash);
  if (!found) return null;
  const [, project, image, annotation, x, y, resolution] = found;
  return {
    project: Number(project),
    image: Number(image),
    annotation: annotation === undefined ? null : Number(annotation),
    place: resolution === undefined ? null : { x: Number(x), y: Number(y), resolution: Number(resolution) },
  };
}

export function routeText({ project, image, annotation, place }: Route): string {
  const chosen = annotation === null ? '' : `/annotation/${annotation}`;
  const seen = place ? `@${place.x.toFixed(1)},${place.y.toFixed(1)},${place.resolution.toFixed(4)}` : '';
  return `#/project/${project}/image/${image}${chosen}${seen}`;
}
