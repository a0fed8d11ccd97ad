# Python's multiprocessing: pools, queues, shared values, by fork and by spawn. Prints what is certain.
import concurrent.futures
import multiprocessing


def square(n):
    return n * n


def produce(q, n):
    for i in range(n):
        q.put(i)
    q.put(None)


def add(counter, times):
    for _ in range(times):
        with counter.get_lock():
            counter.value += 1


def main():
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, pool.map(square, range(10)))
        q = context.Queue()
        p = context.Process(target=produce, args=(q, 50))
        p.start()
        print(sum(iter(q.get, None)))
        p.join()
        print(p.exitcode)
    counter = multiprocessing.get_context("fork").Value("i", 0)
    children = [multiprocessing.get_context("fork").Process(target=add, args=(counter, 500)) for _ in range(4)]
    for p in children:
        p.start()
    for p in children:
        p.join()
    print(counter.value)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        print(list(pool.map(square, range(5))))


if __name__ == "__main__":
    main()
