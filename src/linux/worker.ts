// What a worker is that runs guest threads: the module that workers.ts starts.
import { loadWorker } from "./load-worker.ts";

loadWorker(() => require("./serve-threads.ts"));
