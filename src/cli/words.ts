// The command line and the environment as bytes. The engine decodes both as UTF-8, which loses what is none, and adds
// variables of a .env file; so they are read from the kernel. Words are latin1 strings, one character a byte.
import { readFileSync } from "node:fs";

const split = (text: string): string[] => (text === "" ? [] : text.replace(/\0$/, "").split("\0"));

/** The words after the script's name. */
export function commandLine(): string[] {
  const words = process.argv.slice(2);
  return words.length === 0 ? [] : split(readFileSync("/proc/self/cmdline", "latin1")).slice(-words.length);
}

/** The environment, each variable as `K=V`. */
export const environment = (): string[] => split(readFileSync("/proc/self/environ", "latin1"));

/** A latin1 string of bytes as text for a human, or for a call that takes UTF-8. */
export const asText = (bytes: string): string => Buffer.from(bytes, "latin1").toString();

export type EnvironmentChange = { readonly set: string } | { readonly unset: string };

/** An environment after changes, in their order. A variable that is set anew keeps its place. */
export function changeEnvironment(env: readonly string[], changes: readonly EnvironmentChange[]): string[] {
  let result = [...env];
  for (const change of changes) {
    const name = "set" in change ? change.set.slice(0, change.set.indexOf("=")) : change.unset;
    const isIt = (word: string) => word.startsWith(`${name}=`);
    if ("unset" in change) result = result.filter((word) => !isIt(word));
    else if (result.some(isIt)) result = result.map((word) => (isIt(word) ? change.set : word));
    else result.push(change.set);
  }
  return result;
}

/** `K=V,K=V` in variables: a comma begins another where a name and `=` follow, else it belongs to the value. */
export const splitVariables = (list: string): string[] => list.split(/,(?=[A-Za-z_][A-Za-z0-9_]*=)/);
