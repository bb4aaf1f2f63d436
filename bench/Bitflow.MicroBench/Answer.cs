namespace Bitflow.MicroBench;

/// <summary>A wrong answer is not worth timing.</summary>
internal static class Answer
{
    public static void MustHold(bool condition, string what)
    {
        if (!condition)
            throw new InvalidOperationException(what);
    }
}
