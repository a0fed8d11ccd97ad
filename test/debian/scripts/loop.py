# Python's asyncio: sockets, children, an executor, signals. Prints what is certain.
import asyncio
import os
import signal


def square(n):
    return n * n


def main():
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


if __name__ == "__main__":
    main()
