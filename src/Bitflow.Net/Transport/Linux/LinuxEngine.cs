using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bitflow.Net.Transport.Linux;

/// <summary>Sockets driven by epoll, one loop a core.</summary>
internal sealed class LinuxEngine : Engine
{
    private readonly LinuxLoop[] _loops = [];
    private int _disposed;

    /// <param name="logger">Hears of callbacks that throw, and of what the kernel does not let the loops use.</param>
    /// <param name="loops">How many; the default is one a core.</param>
    /// <param name="ringBuffers">How many buffers a loop's ring has, a power of two.</param>
    /// <exception cref="RefusedCallException">The kernel does not let it be; nothing stays open.</exception>
    public LinuxEngine(ILogger? logger = null, int? loops = null, int ringBuffers = IoRing.DefaultBuffers)
    {
        int count = loops ?? Environment.ProcessorCount;
        try
        {
            while (_loops.Length < count)
                _loops = [.. _loops, new LinuxLoop(_loops.Length, count, logger ?? NullLogger.Instance, ringBuffers)];
        }
        catch (RefusedCallException)
        {
            Dispose();
            throw;
        }

        Loops = _loops;
    }

    public override string Name => "linux";

    public override IReadOnlyList<EventLoop> Loops { get; }

    public override Acceptor Accept(ListeningSocket socket, IAcceptHandler handler) => new LinuxAcceptor(_loops, socket, handler);

    /// <summary>Ends the loops; connections that still live on them are reset.</summary>
    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        foreach (LinuxLoop loop in _loops)
            loop.Stop();
    }
}
