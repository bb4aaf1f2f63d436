using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Transport;

/// <summary>What stands for a connection whose socket could not even be made.</summary>
internal sealed class DeadConnection(EventLoop loop) : Connection(loop)
{
    public override Endpoint Local => Endpoint.Unknown;

    public override Endpoint Remote => Endpoint.Unknown;

    public override int UnsentBytes => 0;

    public override ValueTask<IoFault> WaitReadableAsync() => new(IoFault.Aborted);

    public override ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer) => new(IoResult.Failed(IoFault.Aborted));

    public override ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data) => new(IoResult.Failed(IoFault.Aborted));

    public override ValueTask<IoFault> EndAsync() => new(IoFault.Aborted);

    public override Readiness Look() => Readiness.Failed;

    public override IoFault Fault => IoFault.Aborted;

    public override bool FailedBehindItsEnd => false;

    public override ValueTask<IoFault> WaitResetAsync() => new(IoFault.Aborted);

    public override void KeepQueueShort()
    {
    }

    public override FSharpValueOption<SendQueue> AskQueue() => FSharpValueOption<SendQueue>.None;

    public override void Abort()
    {
    }

    public override void Close()
    {
    }
}
