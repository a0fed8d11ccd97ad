// A program on a terminal of its own, and somebody who types there and reads what it writes.

export interface Typist {
  /** Types something. What the program wrote before is not looked at any more. */
  readonly type: (keys: string) => void;
  /** Waits until the program has written something since that matches. Throws, with all it wrote, where it ends or does not in time. */
  readonly sees: (wanted: string | RegExp) => Promise<void>;
  readonly resize: (columns: number, rows: number) => void;
  /** All that was written. */
  readonly text: () => string;
  /** How the program ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Ends the program if it has not. */
  readonly end: () => Promise<void>;
}

/** Begins a command, the leader of a session, on a terminal of 80 columns and 24 rows. */
export function onTerminal(command: readonly string[], env: Readonly<Record<string, string>>, within = 60_000): Typist {
  let text = "";
  let seen = 0;
  let wake = (): void => {};
  const data = (_: Bun.Terminal, bytes: Uint8Array): void => {
    text += Buffer.from(bytes).toString("latin1");
    wake();
  };
  const child = Bun.spawn([...command], { terminal: { cols: 80, rows: 24, data }, env: { ...env } });
  const terminal = child.terminal!;
  let over = false;
  const ended = child.exited.then((status) => {
    over = true;
    wake();
    return child.signalCode ?? status;
  });

  async function sees(wanted: string | RegExp): Promise<void> {
    const deadline = Date.now() + within;
    for (;;) {
      const rest = text.slice(seen);
      const found = typeof wanted === "string" ? [wanted] : wanted.exec(rest);
      const at = found === null ? -1 : rest.indexOf(found[0]!);
      if (at >= 0) {
        seen += at + found![0]!.length;
        return;
      }
      const left = deadline - Date.now();
      if (over || left <= 0) throw new Error(`${wanted} was not seen in:\n${text}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  return {
    sees,
    ended,
    type: (keys) => {
      seen = text.length;
      terminal.write(keys);
    },
    resize: (columns, rows) => terminal.resize(columns, rows),
    text: () => text,
    end: async () => {
      if (!over) child.kill("SIGKILL");
      await ended;
      terminal.close();
    },
  };
}
