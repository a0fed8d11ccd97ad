// What regions are made with: what their modules are linked with, and how they are written.
import { makeHelpers, type Place } from "./helpers.ts";
import { type Links, makeLinks } from "./links.ts";

/** What modules are linked with: one a hart. */
export interface Environment {
  readonly place: Place;
  readonly links: Links;
  readonly helper: ReturnType<typeof makeHelpers>;
}

/** How regions are written. */
export interface Manner {
  /** They do by themselves what is not watched in watched pages. */
  readonly watched: boolean;
  /** They give control back wherever they end. */
  readonly confined: boolean;
}

export const usual: Manner = { watched: false, confined: false };

/** `unit`: the functions of the hart's floating-point unit, by the names of operations. */
export function makeEnvironment(
  place: Place,
  unit: Readonly<Record<string, (...operands: number[]) => number>>,
  links = makeLinks(place),
): Environment {
  return { place, links, helper: makeHelpers(place, unit) };
}
