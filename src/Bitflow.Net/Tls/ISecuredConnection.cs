namespace Bitflow.Net.Tls;

/// <summary>A connection whose handshake is done.</summary>
internal interface ISecuredConnection
{
    /// <summary>Gives up TLS and leaves the connection beneath to whoever has it.</summary>
    void Forget();
}
