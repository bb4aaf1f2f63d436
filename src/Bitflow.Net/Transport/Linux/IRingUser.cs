namespace Bitflow.Net.Transport.Linux;

/// <summary>Who receives and sends through the loop's ring (<see cref="IoRing"/>). Called on the loop; must not block.</summary>
internal interface IRingUser
{
    /// <summary>Bytes came, in a buffer that is the user's until it releases it or sends it.</summary>
    void OnReceived(ushort buffer, int bytes);

    /// <summary>Nothing comes through the ring any more. Why, the connection tells whoever receives from it the other way.</summary>
    void OnReceiveOver();

    /// <summary>A send was taken whole; its buffer is the user's again.</summary>
    void OnSent();

    /// <summary>
    /// A send failed in the midst of a turn, and <see cref="OnSendFailed"/> follows: the kernel tells its error once, so it is kept before anyone takes
    /// what follows for an end. Nothing else is to be done now.
    /// </summary>
    /// <param name="answer">Bytes taken, or the negative errno.</param>
    void NoteSendFailed(int answer);

    /// <summary>A send was not taken whole; its buffer is the user's again.</summary>
    /// <param name="answer">Bytes taken, or the negative errno.</param>
    void OnSendFailed(int answer);
}
