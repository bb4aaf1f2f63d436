namespace Bitflow.Net.Transport.Linux;

/// <summary>The kernel refuses a call that the engine cannot do without.</summary>
/// <param name="call">Its name.</param>
/// <param name="errno">What it was answered with, above zero.</param>
internal sealed class RefusedCallException(string call, int errno) : Exception($"{call} failed with errno {errno}")
{
    public string Call { get; } = call;

    public int Errno { get; } = errno;
}
