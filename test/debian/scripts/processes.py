# Threads and processes of Python: threading, subprocess, signals, pools of threads. Prints what is certain.
import concurrent.futures
import os
import queue
import signal
import subprocess
import sys
import threading


def section(name):
    print("==", name, flush=True)


def square(n):
    return n * n


def produce(q, n):
    for i in range(n):
        q.put(i)
    q.put(None)


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

    section("signals")
    got = []
    signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
    os.kill(os.getpid(), signal.SIGUSR1)
    print(got)
    signal.signal(signal.SIGALRM, lambda n, f: got.append(n))
    # Again and again: one that comes before pause does not end it.
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(sorted(set(got)))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    print(signal.sigwait([signal.SIGUSR2]))
    section("end")


if __name__ == "__main__":
    main()
