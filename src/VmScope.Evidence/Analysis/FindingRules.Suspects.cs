using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

internal static partial class FindingRules
{
    /// <summary>So many mappings of one range through a helper are suspicious all the same.</summary>
    private const int HelperMappingsMax = 3;

    [MethodImpl(HotPath.Compiled)]
    private static void DuplicateMappings(ListExplanation list, List<Finding> findings)
    {
        RowList rows = list.Totals.PhysicalRows;
        int[] next = new int[rows.Count];
        int[] heads = new int[HashSize(rows.Count)];
        long sameOwner = 0;
        ulong sameOwnerBytes = 0;
        long otherOwner = 0;
        long throughHelper = 0;
        List<string> suspects = [];
        List<string> shared = [];
        List<string> helped = [];
        for (int i = 0; i < rows.Count; i++)
        {
            ref readonly VmallocRow row = ref rows[i];
            int slot = (int)((unchecked(row.Phys * 0x9E3779B97F4A7C15UL) >> 40) & (ulong)(heads.Length - 1));
            int chain = 0;
            int found = -1;
            int same = 0;
            bool foundSame = false;
            for (int at = heads[slot] - 1; at >= 0 && chain < 256; at = next[at] - 1, chain++)
            {
                if (rows[at].Phys == row.Phys && rows[at].SizeBytes == row.SizeBytes)
                {
                    bool isSame = rows[at].Caller == row.Caller && row.Caller != 0;
                    found = isSame || !foundSame ? at : found;
                    foundSame |= isSame;
                    same += isSame ? 1 : 0;
                    if (same == HelperMappingsMax)
                    {
                        break;
                    }
                }
            }

            next[i] = heads[slot];
            heads[slot] = i + 1;
            if (found < 0)
            {
                continue;
            }

            if (foundSame && same < HelperMappingsMax && KnownCallers.HidesUser(list.Texts.Bytes(row.Caller)))
            {
                throughHelper++;
                Show(list, helped, rows[found], row);
            }
            else if (foundSame)
            {
                sameOwner++;
                sameOwnerBytes += row.SizeBytes;
                Show(list, suspects, rows[found], row);
            }
            else
            {
                otherOwner++;
                Show(list, shared, rows[found], row);
            }
        }

        string compared = rows.Total > rows.Count ? $" Only the first {Grouped((ulong)rows.Count)} of {Grouped((ulong)rows.Total)} mappings were compared." : "";
        if (sameOwner > 0)
        {
            findings.Add(new Finding("duplicate-mapping", Severity.Warning,
                $"{Count(sameOwner, "area maps", "areas map")} a physical range that the same function has mapped already ({Text(sameOwnerBytes)} of addresses more than needed). "
                + $"A driver that maps on every start and never unmaps looks like this: a leak suspect. Compare two lists taken some time apart.{compared}", suspects));
        }

        if (throughHelper > 0)
        {
            findings.Add(new Finding("shared-mapping", Severity.Info,
                $"{Count(throughHelper, "area maps", "areas map")} a physical range that the same helper has mapped already. The helper's name hides which driver asked; "
                + "drivers that share a block of registers look like this. Only a number that grows is a leak.", helped));
        }

        if (otherOwner > 0)
        {
            findings.Add(new Finding("shared-mapping", Severity.Info,
                $"{Count(otherOwner, "area maps", "areas map")} a physical range that another function maps too. Usually harmless: firmware tables and timers have more than one reader.{compared}", shared));
        }
    }

    private static void Show(ListExplanation list, List<string> areas, in VmallocRow first, in VmallocRow second)
    {
        if (areas.Count + 1 < AreasShown)
        {
            string before = Physical(list, first);
            if (!areas.Contains(before))
            {
                areas.Add(before);
            }

            areas.Add(Physical(list, second));
        }
    }

    private static string Physical(ListExplanation list, in VmallocRow row) => $"{list.Describe(row)} phys=0x{row.Phys:x}";

    [MethodImpl(HotPath.Compiled)]
    private static void EqualAreas(ListExplanation list, List<Finding> findings)
    {
        if (list.Addresses != AddressState.Real)
        {
            return;
        }

        long[] counts = CountEqual(list);
        foreach (OwnerRow owner in list.Owners)
        {
            // So many more than all others together: what the order of rows cannot change.
            if (owner.Id == 0 || (2 * counts[owner.Id]) - owner.Totals.Areas < EqualAreasMin)
            {
                continue;
            }

            ulong each = list.Totals.Owner(owner.Id).MajorityBytes;
            ulong bytes = (ulong)counts[owner.Id] * each;
            KnownCaller? known = owner.Known;
            string what = $"{owner.Name} has {Grouped((ulong)counts[owner.Id])} areas of {Grouped(each)} bytes ({Text(bytes)})";
            if (known?.OneEach is { } one)
            {
                findings.Add(new Finding("equal-areas", Severity.Info, $"{what}. Normal as long as there are as many: one for each {one}.", []));
            }
            else
            {
                // A share of all addresses in use that no list of a healthy machine was seen to exceed.
                bool heavy = counts[owner.Id] >= 4 * EqualAreasMin && bytes * 4 > list.Live.Bytes;
                findings.Add(new Finding("equal-areas", heavy ? Severity.Warning : Severity.Notice,
                    $"{what}, and nothing is known that would need so many. If the number grows from list to list, this owner does not free what it allocates.", []));
            }
        }
    }

    /// <summary>How many areas have the size most areas of their owner may have, by owner, for the owners that matter.</summary>
    private static long[] CountEqual(ListExplanation list)
    {
        EqualCount counts = new(list.Totals);
        bool isOpen = false;
        for (int id = 1; id < list.Totals.OwnerCount; id++)
        {
            ref readonly OwnerTotals owner = ref list.Totals.Owner(id);
            if (owner.Votes >= EqualAreasMin)
            {
                isOpen |= !counts.TrySettle(id);
            }
        }

        if (isOpen)
        {
            list.Count(counts);
        }

        return counts.ByOwner;
    }

    private static int HashSize(int count)
    {
        int size = 16;
        while (size < count * 2)
        {
            size *= 2;
        }

        return size;
    }
}
