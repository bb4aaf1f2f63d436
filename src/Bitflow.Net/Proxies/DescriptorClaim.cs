namespace Bitflow.Net.Proxies;

/// <summary>Descriptors that accepting leaves alone, because they are about to be opened. What is open is counted as such, and must not be counted twice.</summary>
internal sealed class DescriptorClaim(DescriptorGuard guard, int descriptors) : IDisposable
{
    private int _left = descriptors;

    /// <summary>So many of them are open now.</summary>
    public void Opened(int count)
    {
        int given = Math.Min(count, _left);
        _left -= given;
        guard.GiveBack(given);
    }

    /// <summary>The others will not be opened.</summary>
    public void Dispose() => Opened(_left);
}
