// The command line and the environment as bytes. The engine decodes both as UTF-8, which loses what is none, and adds
// variables of a .env file; so they are read from the kernel. Words are latin1 strings, one character a byte.
import { readHostFile } from "../host/file.ts";

/** The words of a file of /proc/self/, each of which ends in a NUL. */
function wordsOf(file: string): string[] {
  const text = readHostFile(`/proc/self/${file}`);
  if (typeof text === "number") throw new Error(`/proc/self/${file} cannot be read: error ${-text}`);
  return text === "" ? [] : text.replace(/\0$/, "").split("\0");
}

/** The words after the script's name. */
export function commandLine(): string[] {
  const words = process.argv.slice(2);
  return words.length === 0 ? [] : wordsOf("cmdline").slice(-words.length);
}

/** The environment, each variable as `K=V`. */
export const environment = (): string[] => wordsOf("environ");

/**
 * A latin1 string of bytes as text for a human, or for a call that takes UTF-8. Where it is part of a sentence of ours,
 * characters that no byte has stay as they are.
 */
export const asText = (bytes: string): string =>
  bytes.replace(/[\x80-\xff]+/g, (run) => Buffer.from(run, "latin1").toString());

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
