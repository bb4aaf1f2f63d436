using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>An address that refuses, for as long as this is held: the port is bound, so that nobody else is given it, and nobody listens.</summary>
internal sealed class Refusal : IDisposable
{
    private readonly Socket _bound = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public Refusal()
    {
        _bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Address = _bound.LocalEndPoint!.ToString()!;
    }

    public string Address { get; }

    public void Dispose() => _bound.Dispose();
}
