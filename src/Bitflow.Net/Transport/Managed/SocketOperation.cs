using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using Bitflow.Domain;

namespace Bitflow.Net.Transport.Managed;

/// <summary>One reusable pending call on a platform socket. Failures come back as values.</summary>
internal sealed class SocketOperation : SocketAsyncEventArgs, IValueTaskSource<IoResult>, IValueTaskSource<IoFault>
{
    private readonly ManagedConnection _owner;
    private ManualResetValueTaskSourceCore<IoResult> _core;

    public SocketOperation(ManagedConnection owner)
        : base(true) // The execution context has nothing that a connection needs, and carrying it costs.
    {
        _owner = owner;
    }

    /// <summary>The outcome so far: what a call that completed at once came to.</summary>
    /// <remarks>Closing shuts the socket down first, so that a pending call may see a broken pipe: it is our doing all the same.</remarks>
    public IoResult Outcome
    {
        get
        {
            if (SocketError == SocketError.Success)
                return IoResult.Ok(BytesTransferred);
            return IoResult.Failed(LastOperation switch
            {
                SocketAsyncOperation.Receive => _owner.Remember(_owner.FaultOf(SocketError)),
                SocketAsyncOperation.Send => _owner.FaultOfSend(SocketError),
                // Not remembered: what a reset of connecting is, its caller decides.
                _ => _owner.FaultOfConnect(SocketError),
            });
        }
    }

    /// <summary>Must be called before the call is started.</summary>
    public void Prepare() => _core.Reset();

    public ValueTask<IoResult> PendingResult => new(this, _core.Version);

    public ValueTask<IoFault> PendingFault => new(this, _core.Version);

    protected override void OnCompleted(SocketAsyncEventArgs e) => _core.SetResult(Outcome);

    IoResult IValueTaskSource<IoResult>.GetResult(short token) => _core.GetResult(token);

    IoFault IValueTaskSource<IoFault>.GetResult(short token) => _core.GetResult(token).Fault;

    ValueTaskSourceStatus IValueTaskSource<IoResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<IoFault>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<IoResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<IoFault>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
