// A worker in the tests of workers whose modules cannot be loaded.
import { loadWorker } from "../../src/linux/load-worker.ts";

loadWorker(() => {
  throw new Error("nothing is loaded");
});
