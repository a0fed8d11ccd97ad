# Threads and processes of Python: threading, multiprocessing, subprocess, signals, asyncio, pools. Prints what is certain.
import asyncio
import concurrent.futures
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time


def section(name):
    print("==", name, flush=True)


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
    section("threading")
    lock, total = threading.Lock(), [0]

    def work():
        for _ in range(1000):
            with lock:
                total[0] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(total[0])
    q = queue.Queue(2)
    threading.Thread(target=produce, args=(q, 100)).start()
    print(sum(iter(q.get, None)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(square, range(10))))

    section("fork")
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        os.write(w, b"from the child")
        os._exit(5)
    os.close(w)
    print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    pid = os.fork()
    if pid == 0:
        signal.pause()
    os.kill(pid, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if hasattr(os, "pidfd_open"):
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        fd = os.pidfd_open(pid)
        print(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
        os.close(fd)

    section("subprocess")
    print(subprocess.run(["echo", "hello"], capture_output=True, text=True))
    print(subprocess.run("exit 3", shell=True).returncode)
    print(subprocess.check_output(["tr", "a-z", "A-Z"], input="shout", text=True))
    try:
        subprocess.run(["no-such-program-anywhere"])
    except FileNotFoundError as e:
        print(e.errno, e.filename)
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    print(child.wait())
    try:
        subprocess.run(["sleep", "60"], timeout=0.05)
    except subprocess.TimeoutExpired as e:
        print("timeout", e.cmd)
    a = subprocess.Popen(["seq", "100"], stdout=subprocess.PIPE)
    b = subprocess.Popen(["grep", "-c", "7"], stdin=a.stdout, stdout=subprocess.PIPE)
    a.stdout.close()
    print(b.communicate()[0])
    a.wait()
    print(subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"], cwd="/", capture_output=True).stdout)

    section("multiprocessing")
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
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

    section("signals")
    got = []
    signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
    os.kill(os.getpid(), signal.SIGUSR1)
    print(got)
    signal.signal(signal.SIGALRM, lambda n, f: got.append(n))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    print(got)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    print(signal.sigwait([signal.SIGUSR2]))

    section("asyncio")

    async def echo(reader, writer):
        while data := await reader.readline():
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    async def talk():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def client(n):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello %d\n" % n)
            line = await reader.readline()
            writer.close()
            return line

        print(await asyncio.gather(*(client(n) for n in range(5))))
        server.close()
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        print((await process.communicate(b"through a child"))[0], process.returncode)
        process = await asyncio.create_subprocess_shell("echo from a shell; exit 4", stdout=-1)
        print((await process.communicate())[0], process.returncode)
        loop = asyncio.get_running_loop()
        print(await loop.run_in_executor(None, square, 12))
        done = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, done.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await done.wait()
        print("signalled")

    asyncio.run(talk())
    section("end")


if __name__ == "__main__":
    main()
