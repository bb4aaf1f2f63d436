using Bitflow.Domain;

namespace Bitflow.Net.Dialing;

/// <summary>For whom a target is dialled, as far as dialling needs to know.</summary>
internal interface ICaller
{
    /// <summary>The client: the peer, or whom a PROXY header named.</summary>
    Endpoint Source { get; }

    /// <summary>Whether the target's address must be of the client's family.</summary>
    bool IsDualStack { get; }

    /// <summary>The PROXY header that announces the client; empty where none is sent.</summary>
    ReadOnlyMemory<byte> Announcement { get; }

    /// <summary>
    /// What the client has said by now, to be sent with the header: so few bytes that a new connection has room for them, or none. They are the
    /// target's once they are sent, and are offered again until then.
    /// </summary>
    ReadOnlyMemory<byte> FirstWords();
}
