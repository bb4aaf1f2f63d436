using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.Extensions.Logging;

namespace Bitflow.Net.Transport.Linux;

/// <summary>The pipes of one loop, given to busy streams and taken back empty. A stream that gets none copies.</summary>
internal sealed class PipePool
{
    /// <summary>The largest that the kernel grants without a privilege (fs.pipe-max-size as shipped).</summary>
    internal const int PipeBytes = 1 << 20;

    private readonly Stack<SplicePipe> _idle = new();
    private readonly ILogger _logger;
    private readonly int _loop;
    private readonly int _most;
    private int _made;
    private Accelerator _mayHavePipes = AcceleratorModule.Start;

    /// <param name="loops">How many pools share the process's descriptors.</param>
    public PipePool(ILogger logger, int loop, int loops)
    {
        _logger = logger;
        _loop = loop;
        _most = DescriptorBudget.MostPipes(Libc.DescriptorLimit(), loops);
    }

    public SplicePipe? TryRent(Instant now)
    {
        if (_idle.TryPop(out SplicePipe? pipe))
            return pipe;
        if (_made == _most || !AcceleratorModule.MayAsk(now, _mayHavePipes))
            return null;
        pipe = SplicePipe.TryMake(PipeBytes);
        if (pipe is null)
            _mayHavePipes = AcceleratorModule.WithoutPipe(now);
        else
            _made++;
        return pipe;
    }

    /// <summary>A splice failed for a reason that is not the connection's. Where the kernel forbids it or knows nothing of it, no pipe is given out any more.</summary>
    public void NoteRefusal(int errno)
    {
        bool wasForbidden = _mayHavePipes.IsForbiddenForGood;
        _mayHavePipes = AcceleratorModule.SpliceRefused(errno, _mayHavePipes);
        if (wasForbidden || !_mayHavePipes.IsForbiddenForGood)
            return;
        Close();
        LinuxLog.NoSplice(_logger, _loop, Marshal.GetPInvokeErrorMessage(errno));
    }

    /// <summary>A pipe that still holds bytes of its stream is closed.</summary>
    public void Return(SplicePipe pipe)
    {
        if (pipe.Filled == 0 && !_mayHavePipes.IsForbiddenForGood)
        {
            _idle.Push(pipe);
            return;
        }

        pipe.Close();
        _made--;
    }

    public void Close()
    {
        while (_idle.TryPop(out SplicePipe? pipe))
            pipe.Close();
    }
}
