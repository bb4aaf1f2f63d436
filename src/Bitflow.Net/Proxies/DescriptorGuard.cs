using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Pauses accepting while descriptors are scarce, before dials and logs run into EMFILE, and resumes it by itself. Costs one comparison
/// a connection; looks at the process only during an episode.
/// </summary>
internal sealed class DescriptorGuard : IDisposable
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly HashSet<Acceptor> _acceptors = [];
    private readonly IServerLog _log;
    private readonly Timer _timer;
    private bool _paused;

    public DescriptorGuard(IServerLog log)
    {
        _log = log;
        Limit = Libc.DescriptorLimit();
        _timer = new Timer(static state => ((DescriptorGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>RLIMIT_NOFILE, the soft limit in force.</summary>
    public long Limit { get; }

    public void Watch(Acceptor acceptor)
    {
        lock (_gate)
        {
            _acceptors.Add(acceptor);
            if (_paused)
                acceptor.Pause();
        }
    }

    public void Forget(Acceptor acceptor)
    {
        lock (_gate)
            _acceptors.Remove(acceptor);
    }

    /// <summary>Called with the number of each new descriptor, or a larger one where others are as good as taken.</summary>
    public void Observe(int descriptor)
    {
        if (Admission.IsScarce(Limit, descriptor))
            Pause();
    }

    public void Dispose() => _timer.Dispose();

    private void Pause()
    {
        lock (_gate)
        {
            if (_paused)
                return;
            _paused = true;
            foreach (Acceptor acceptor in _acceptors)
                acceptor.Pause();
            _timer.Change(LookAgain, Timeout.InfiniteTimeSpan);
        }

        _log.AcceptPaused(Limit);
    }

    private void Look()
    {
        lock (_gate)
        {
            if (!Admission.MayResume(Limit, Libc.DescriptorsInUse()))
            {
                _timer.Change(LookAgain, Timeout.InfiniteTimeSpan);
                return;
            }

            _paused = false;
            foreach (Acceptor acceptor in _acceptors)
                acceptor.Resume();
        }

        _log.AcceptResumed();
    }
}
